// Runs every check; a failed one does not hide the others.
import * as checks from "./checks.mjs";
import { start, stop } from "./site.mjs";

let failed = 0;
await start();
for (const [name, check] of Object.entries(checks)) {
  const began = Date.now();
  try {
    await check();
    console.log(`pass ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack}`);
  }
}
await stop();
process.exit(failed === 0 ? 0 : 1);
