// A stand-in for Supabase Auth: one user, real ES256 tokens, the paths of the real one. For this example only.
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";

const PORT = Number(process.env.AUTH_PORT ?? 54321);
const TOKEN_SECONDS = Number(process.env.AUTH_TOKEN_SECONDS ?? 3600);
const ISSUER = `http://127.0.0.1:${PORT}/auth/v1`;

// The demo user of `make run`.
const USER = {
	id: "a0000000-0000-4000-8000-000000000001",
	email: "demo@example.com",
	password: "demo",
	app_metadata: { business_id: "b0000000-0000-4000-8000-000000000001", business_name: "Coral Coast Coffee" },
};

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const kid = randomUUID();
const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig", key_ops: ["verify"] }] };
const REUSE_SECONDS = 10; // a refresh token works once, or again within this time, as in Supabase
const refreshTokens = new Map(); // token -> { session, end }; `end`: until when it works, in milliseconds

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function createAccessToken(session) {
	const now = Math.floor(Date.now() / 1000);
	const claims = {
		iss: ISSUER,
		aud: "authenticated",
		role: "authenticated",
		sub: USER.id,
		email: USER.email,
		iat: now,
		exp: now + TOKEN_SECONDS,
		aal: "aal1",
		session_id: session,
		is_anonymous: false,
		app_metadata: USER.app_metadata,
	};
	const content = `${encode({ alg: "ES256", typ: "JWT", kid })}.${encode(claims)}`;
	const signature = sign("sha256", Buffer.from(content), { key: privateKey, dsaEncoding: "ieee-p1363" });
	return `${content}.${signature.toString("base64url")}`;
}

/** Return the session that a password begins or a refresh token continues; null if neither is valid. */
function findSession(grantType, { email, password, refresh_token }) {
	if (grantType === "refresh_token") return redeemRefreshToken(refresh_token);
	const isUser = grantType === "password" && email === USER.email && password === USER.password;
	return isUser ? randomUUID() : null;
}

function redeemRefreshToken(token) {
	const { session = null, end = 0 } = refreshTokens.get(token) ?? {};
	if (Date.now() >= end) return null;
	refreshTokens.set(token, { session, end: Math.min(end, Date.now() + REUSE_SECONDS * 1000) });
	return session;
}

function endSession(authorization = "") {
	const claims = JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString() || "{}");
	for (const [token, { session }] of refreshTokens) if (session === claims.session_id) refreshTokens.delete(token);
}

function issueTokens(session) {
	const refreshToken = randomUUID();
	refreshTokens.set(refreshToken, { session, end: Number.POSITIVE_INFINITY });
	return {
		access_token: createAccessToken(session),
		refresh_token: refreshToken,
		token_type: "bearer",
		expires_in: TOKEN_SECONDS,
	};
}

async function readJson(request) {
	const chunks = [];
	for await (const chunk of request) chunks.push(chunk);
	return JSON.parse(Buffer.concat(chunks).toString() || "{}");
}

async function answer(request) {
	const url = new URL(request.url, ISSUER);
	const operation = `${request.method} ${url.pathname}`;
	if (operation === "GET /auth/v1/.well-known/jwks.json") return [200, jwks];
	if (operation === "POST /auth/v1/logout") {
		endSession(request.headers.authorization);
		return [200, {}];
	}
	if (operation !== "POST /auth/v1/token") return [404, { error_code: "not_found" }];
	const credentials = await readJson(request).catch(() => ({}));
	const session = findSession(url.searchParams.get("grant_type"), credentials);
	return session ? [200, issueTokens(session)] : [400, { error_code: "invalid_credentials" }];
}

createServer(async (request, response) => {
	const [status, body] = await answer(request);
	response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}).listen(PORT, "127.0.0.1", () => {
	console.log(`Stand-in for Supabase Auth on http://127.0.0.1:${PORT}: sign in as ${USER.email} / ${USER.password}`);
});
