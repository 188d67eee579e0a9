import { type NextRequest, NextResponse } from "next/server";
import { ACCESS_TOKEN, cookieOptions, REFRESH_TOKEN, readClaims, requestTokens } from "./lib/auth";

const MARGIN = 60; // seconds; pages and actions behind this get a token that lasts at least as long

/** Renews the session before it expires, and sends signed-out users to the login page. */
export async function proxy(request: NextRequest): Promise<NextResponse> {
	const claims = readClaims(request.cookies.get(ACCESS_TOKEN)?.value);
	if (claims && claims.exp - Date.now() / 1000 > MARGIN) return NextResponse.next();

	const refreshToken = request.cookies.get(REFRESH_TOKEN)?.value;
	const tokens = refreshToken ? await requestTokens("refresh_token", { refresh_token: refreshToken }) : null;
	if (!tokens) return NextResponse.redirect(new URL("/login", request.url));

	for (const name of [ACCESS_TOKEN, REFRESH_TOKEN] as const) request.cookies.set(name, tokens[name]);
	const response = NextResponse.next({ request });
	const options = cookieOptions(request.nextUrl.protocol === "https:");
	for (const name of [ACCESS_TOKEN, REFRESH_TOKEN] as const) response.cookies.set(name, tokens[name], options);
	return response;
}

export const config = { matcher: ["/", "/settings/:path*", "/content/:path*", "/api/token"] };
