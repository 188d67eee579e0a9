// Lints build/openapi.json with Redocly's recommended rules: warnings fail too, except those in .redocly.lint-ignore.yaml.
// Redocly's command line would report its use over the network.

import { formatProblems, getTotals, lint, loadConfig } from "@redocly/openapi-core";

const config = await loadConfig({ configPath: "redocly.yaml" });
const problems = await lint({ ref: "build/openapi.json", config });
formatProblems(problems, { format: "stylish", totals: getTotals(problems), version: "" });
process.exitCode = problems.every((problem) => problem.ignored) ? 0 : 1;
