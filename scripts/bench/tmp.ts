import { startWorker } from "./startWorker.ts";
import { startOrigin } from "./startOrigin.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import { modernCall, legacyCall } from "./exchange.ts";
import { serve } from "../serve/serve.ts";
import autocannon from "autocannon";
import { writeFileSync } from "node:fs";
const origin = await startOrigin();
writeFileSync("/tmp/bench-config.json", JSON.stringify({origins:{bench:{url:origin.url, tools:{get_feature:{cache:{ttl:"1h",scope:"public"}}}}},access:{open:true}}));
const ws: [string, string, any][] = [
 ["limit", (await startWorker("limit")).url, modernCall(7)],
 ["replica", (await serve({config:"/tmp/bench-config.json"})).url, modernCall(7)],
 ["sdk", (await startWorker("sdk")).url, modernCall(7)],
 ["sdkFirst", (await startWorker("sdkFirst")).url, legacyCall(7)],
];
for (const [name,url,call] of ws) {
  const c = await HttpConnection.open(url);
  for (let i=0;i<2;i++) { const r = replyOf(await c.exchange(postBytes(url,call))); if(i) console.log(name, r.status, r.body.length, r.body.slice(0,60), r.body.slice(-150)); }
  c.close();
}
async function raw(url: string, call: any, conns: number, ms: number) {
  const req = postBytes(url, call); const end = performance.now()+ms; const lat: number[]=[];
  await Promise.all(Array.from({length: conns}, async () => { const c = await HttpConnection.open(url);
    for (let at = performance.now(); at < end;) { await c.exchange(req); const now = performance.now(); lat.push(now-at); at = now; }
    c.close(); }));
  lat.sort((a,b)=>a-b);
  return { rps: Math.round(lat.length/ms*1000), p50: (lat[lat.length>>1]!*1000).toFixed(0), p99: (lat[Math.floor(lat.length*0.99)]!*1000).toFixed(0) };
}
for (let round=0; round<3; round++) for (const [name,url,call] of ws) {
  const seq = await raw(url, call, 1, 1500); const par = await raw(url, call, 32, 1500);
  const ac = await autocannon({url: url+"/mcp", method:"POST", headers: call.headers, body: call.body, connections: 32, duration: 2});
  console.log(name.padEnd(9), "seq", seq.p50, seq.p99, "par", par.rps, "autocannon", ac.requests.average, ac.non2xx);
}
process.exit(0);
