import { cookies } from "next/headers";
import { ACCESS_TOKEN } from "@/lib/auth";

/** The signed-in user's token, for calls from the browser. `proxy.ts` has renewed it if necessary. */
export async function GET(): Promise<Response> {
	const token = (await cookies()).get(ACCESS_TOKEN)?.value ?? null;
	return Response.json({ token }, { headers: { "Cache-Control": "no-store" } });
}
