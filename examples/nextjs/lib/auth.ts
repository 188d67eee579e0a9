// The session: Supabase's tokens in cookies that scripts cannot read. An application with Supabase's own clients
// has all of this in @supabase/ssr.
import { SUPABASE_URL } from "./config";

export interface Tokens {
	access_token: string;
	refresh_token: string;
	expires_in: number;
}

interface Claims {
	exp: number;
	app_metadata: { business_id: string; business_name: string };
}

export const ACCESS_TOKEN = "access_token";
export const REFRESH_TOKEN = "refresh_token";

/** Exchange a password or a refresh token for new tokens; null if it is not accepted. */
export async function requestTokens(
	grantType: "password" | "refresh_token",
	credentials: Record<string, string>,
): Promise<Tokens | null> {
	const response = await fetch(`${SUPABASE_URL}/auth/v1/token?grant_type=${grantType}`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(credentials),
	});
	return response.ok ? response.json() : null;
}

/** End the session: its refresh tokens, also those that a request in flight has just received, work no longer. */
export async function endSession(accessToken: string): Promise<void> {
	await fetch(`${SUPABASE_URL}/auth/v1/logout?scope=local`, {
		method: "POST",
		headers: { Authorization: `Bearer ${accessToken}` },
	});
}

/** Return what a token says. Only the service verifies it, and only it decides on access. */
export function readClaims(token: string | undefined): Claims | null {
	try {
		return JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString());
	} catch {
		return null;
	}
}

export function cookieOptions(isHttps: boolean) {
	return { httpOnly: true, sameSite: "lax", secure: isHttps, path: "/", maxAge: 30 * 24 * 3600 } as const;
}
