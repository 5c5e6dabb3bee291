import type { Reporter, TestModule } from "vitest/node";

/** Ends the output with `N passed, N failed`. What did not run has failed: nothing here may be left out. */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const results = modules.flatMap(({ children }) => [...children.allTests()].map((test) => test.result().state));
    const passed = results.filter((state) => state === "passed").length;
    const failed = results.length - passed;
    // A file that cannot be read has no tests, and an error may belong to none.
    const isUnwell = errors.length > 0 || modules.length === 0 || modules.some((module) => module.state() === "failed");
    console.log(`${passed} passed, ${failed === 0 && isUnwell ? 1 : failed} failed`);
  }
}
