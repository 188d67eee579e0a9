/** The AI avatar service, as this server and browsers reach it; by default that of `make run`. */
export const SERVICE_URL = process.env.AI_AVATAR_URL ?? "http://127.0.0.1:8000";

/** The Supabase project; by default the stand-in of `npm run auth`. */
export const SUPABASE_URL = process.env.SUPABASE_URL ?? "http://127.0.0.1:54321";
