/** What to do where D1 has not the tables that come with the Worker. */
export const TO_MIGRATE =
  "Run `npx wrangler d1 migrations apply DB --remote`. For `wrangler dev` it is `--local` instead.";
