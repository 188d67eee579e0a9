"use server";

import { cookies, headers } from "next/headers";
import { redirect } from "next/navigation";
import { ACCESS_TOKEN, cookieOptions, endSession, REFRESH_TOKEN, requestTokens } from "@/lib/auth";

export async function signIn(_: string, form: FormData): Promise<string> {
	const tokens = await requestTokens("password", {
		email: String(form.get("email")),
		password: String(form.get("password")),
	});
	if (!tokens) return "Wrong e-mail address or password.";
	const options = cookieOptions((await headers()).get("x-forwarded-proto") === "https");
	const jar = await cookies();
	jar.set(ACCESS_TOKEN, tokens.access_token, options);
	jar.set(REFRESH_TOKEN, tokens.refresh_token, options);
	redirect("/settings/integrations");
}

export async function signOut(): Promise<void> {
	const jar = await cookies();
	await endSession(jar.get(ACCESS_TOKEN)?.value ?? "");
	jar.delete(ACCESS_TOKEN);
	jar.delete(REFRESH_TOKEN);
	redirect("/login");
}
