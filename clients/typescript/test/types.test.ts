import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { test } from "node:test";
import { AiAvatarClient } from "ai-avatar-client";
import ts from "typescript";

const ROOT = join(import.meta.dirname, "..");
const ELEMENT = join(ROOT, "test", "element-types.ts");

/** What the documents' examples take from the application around them. */
const SURROUNDINGS = `
import type { AiAvatarClient as Client } from "ai-avatar-client";
import type { LegacyHeygenFields } from "ai-avatar-client/legacy";
declare global {
	const client: Client;
	const contentId: string, businessId: string, generationId: string, serviceUrl: string, script: string;
	const signal: AbortSignal;
	const element: import("ai-avatar-client/element").AiAvatarSettingsElement;
	const profile: { business_id: string };
	const router: { refresh(): void };
	const toast: { error(text: string): void };
	const getAccessToken: () => Promise<string | null>;
	const generateHeygenVideo: import("ai-avatar-client/legacy").LegacyFunctions["generateHeygenVideo"];
	const HeygenSettingsForm: (props: { business: { id: string } & LegacyHeygenFields }) => null;
	interface Session { data: { session: { access_token: string } | null } }
	interface Supabase {
		auth: { refreshSession(): Promise<Session>; getSession(): Promise<Session> };
		from(table: string): { select(columns: string): { eq(column: string, value: string): {
			single(): Promise<{ data: { id: string; business_name: string } }>;
		} } };
	}
	const supabase: Supabase;
}
`;
const MODULES = `
declare module "next" {
	interface Rewrite { source: string; destination: string }
	export interface NextConfig { rewrites?(): Promise<Rewrite[]> }
}
declare module "next/cache" { export function revalidatePath(path: string): void }
declare module "@/components/ai-avatar-card" { export function AiAvatarCard(): null }
declare module "@/components/video" { export function Video(props: { contentId: string }): null }
declare module "@/lib/access-token" { export function getAccessToken(): Promise<string | null> }
declare module "@/lib/supabase/client" { export function createClient(): Supabase }
declare module "@/lib/supabase/server" { export function createClient(): Promise<Supabase> }
declare module "@/lib/schemas" { export const heygenSettingsFormSchema: import("ai-avatar-client/legacy").FormSchema }
`;

/** The documents that have examples in TypeScript or JavaScript. */
function documentsWithExamples(): string[] {
	const guides = readdirSync(join(ROOT, "..", "..", "docs")).map((name) => join("..", "..", "docs", name));
	const found = ["README.md", ...guides.filter((path) => path.endsWith(".md"))].filter(
		(path) => examplesIn(path).length,
	);
	assert.ok(found.length >= 4);
	return found;
}

/** The examples of a document that it does not mark as not run: of each, all, the extension and the code. */
function examplesIn(path: string): string[][] {
	const text = readFileSync(join(ROOT, path), "utf8").replace(/^<!-- not run: .*?^```$/gms, "");
	return [...text.matchAll(/^```(tsx?|js)\n(.*?)^```/gms)].map((match) => [...match]);
}

/** Write a document's examples as TypeScript modules, next to the compiled tests. */
function writeExamples(path: string): string[] {
	const folder = join(ROOT, "build", "examples", basename(path));
	mkdirSync(folder, { recursive: true });
	const blocks = examplesIn(path);
	const sources = [
		["surroundings.ts", SURROUNDINGS],
		["modules.d.ts", MODULES],
	];
	for (const [, extension, code] of blocks)
		sources.push([`${sources.length}.${extension === "js" ? "ts" : extension}`, `${code}\nexport {};\n`]);
	return sources.map(([name = "", source = ""]) => {
		writeFileSync(join(folder, name), source);
		return join(folder, name);
	});
}

function compile(files: string[], changes: ts.CompilerOptions = {}): string[] {
	const { config } = ts.readConfigFile(join(ROOT, "test", "tsconfig.json"), ts.sys.readFile);
	const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(ROOT, "test"));
	const program = ts.createProgram(files, { ...options, noEmit: true, rootDir: "/", ...changes });
	return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
		const line = file ? file.getLineAndCharacterOfPosition(start ?? 0).line + 1 : 0;
		return `${relative(ROOT, file?.fileName ?? "")}:${line} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
	});
}

for (const document of documentsWithExamples()) {
	test(`the examples of ${document} compile`, () => {
		assert.deepEqual(compile(writeExamples(document), { noUnusedLocals: false }), []);
	});
}

test("README.md describes every option and every prop", () => {
	const readme = readFileSync(join(ROOT, "README.md"), "utf8");
	for (const [file, name] of [
		["transport.ts", "TransportOptions"],
		["client.ts", "ClientOptions"],
		["react/settings.tsx", "AiAvatarSettingsProps"],
		["react/use-integration.ts", "UseIntegration(?:Options)?"],
		["react/use-videos.ts", "UseVideos(?:Options)?"],
		["react/use-generation.ts", "UseGeneration"],
	] as const) {
		const source = readFileSync(join(ROOT, "src", file), "utf8");
		const bodies = [...source.matchAll(new RegExp(`export interface ${name} .*?\n}`, "gs"))].join("\n");
		const fields = [...bodies.matchAll(/^\t(\w+)\??: /gm)].map(([, field]) => field ?? "");
		assert.ok(fields.length > 0, name);
		const missing = fields.filter((field) => !readme.includes(`\`${field}`));
		assert.deepEqual(missing, [], name);
	}
});

test("the element's declarations agree with its JavaScript", () => {
	const lenient = { allowJs: true, exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false, types: [] };
	assert.deepEqual(
		compile([ELEMENT], lenient).filter((line) => line.startsWith(relative(ROOT, ELEMENT))),
		[],
	);
});

test("every operation for users has a method of its name", () => {
	const schema = readFileSync(join(ROOT, "src", "schema.ts"), "utf8");
	const paths = schema.slice(0, schema.search(/^export (type|interface) webhooks/m));
	const operations = [...paths.matchAll(/operations\["(\w+)"\]/g)].map(([, id]) => id ?? "");
	const methods = new Set(Object.getOwnPropertyNames(AiAvatarClient.prototype));
	const missing = operations.filter((id) => !methods.has(id));
	assert.deepEqual(missing.sort(), [
		"createProviderVideo",
		"getLiveness",
		"getMetrics",
		"getProviderVideo",
		"getReadiness",
		"issueCredentials",
		"reportStatus",
	]);
	assert.ok(operations.length > 20);
});
