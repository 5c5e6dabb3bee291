import { Strangers } from "../../access/Strangers.ts";
import { TokenBucket } from "../../access/TokenBucket.ts";

/** What may come of one address with a token that is not the operator's: nobody should try many. */
const WRONG_TOKENS = { burst: 10, perSecond: 1 };
/** What operators may ask of an isolate: each of them can make work for everybody. */
const CALLS = { burst: 100, perSecond: 10 };

/** How much may be asked of an isolate by operators, and by those who say that they are. */
export class AdminLimits {
  readonly strangers = new Strangers(WRONG_TOKENS);
  readonly calls = new TokenBucket(CALLS);
}
