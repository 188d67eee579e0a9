import { type AiAvatarClient, createIdempotencyKey } from "./client.ts";
import { AiAvatarError, type ErrorCode } from "./errors.ts";

/** What the three functions return. At run time, it has one of the two keys. */
export type LegacyResult = { success: true; error?: undefined } | { error: string; success?: undefined };

/** The values of the original's form. An empty avatar or voice clears it; an empty key keeps the stored one. */
export interface HeygenSettingsFormValues {
	heygen_api_key?: string | null | undefined;
	heygen_avatar_id?: string | null | undefined;
	heygen_voice_id?: string | null | undefined;
}

/** A schema with zod's `safeParse`: the original's `heygenSettingsFormSchema`. */
export interface FormSchema {
	safeParse(
		values: unknown,
	):
		| { success: true; data: HeygenSettingsFormValues }
		| { success: false; error: { issues: ReadonlyArray<{ path: ReadonlyArray<PropertyKey>; message: string }> } };
}

export interface LegacyOptions {
	/** The signed-in user's client. A function is called for each call, as the original called `createClient()`. */
	client: AiAvatarClient | (() => AiAvatarClient | Promise<AiAvatarClient>);
	/** Next.js's `revalidatePath`, or what else is to happen after a change. */
	revalidatePath?: (path: string) => void;
	/** Checks the form's values before anything is sent. The service checks them in any case. */
	formSchema?: FormSchema;
}

export interface LegacyFunctions {
	updateHeygenSettings(businessId: string, formData: HeygenSettingsFormValues): Promise<LegacyResult>;
	removeHeygenApiKey(businessId: string): Promise<LegacyResult>;
	generateHeygenVideo(businessId: string, contentId: string, script: string): Promise<LegacyResult>;
}

const SETTINGS_PATH = "/settings/integrations";
const INVALID_FORM = "Invalid form data.";
const NOT_CONFIGURED = "HeyGen AI avatar integration not configured. Please set up your HeyGen integration first.";
const PROVIDER = { provider: "heygen" } as const;

/** The problem's texts that are shown as they are, without one of the original's prefixes. */
const COMPLETE_TEXTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
	"api_key_rejected",
	"integration_not_configured",
	"key_not_available",
	"provider_rate_limited",
	"provider_rejected",
	"provider_unavailable",
	"provider_unexpected_answer",
	"rate_limited",
	"webhook_failed",
	"webhook_not_configured",
	"webhook_timeout",
]);

const FORM_LABELS: Readonly<Record<string, string>> = {
	api_key: "API key",
	avatar_id: "Avatar ID",
	voice_id: "Voice ID",
	script: "Script",
};

/** Return the original application's three functions, with their signatures, results and texts. */
export function createLegacyFunctions({ client, revalidatePath, formSchema }: LegacyOptions): LegacyFunctions {
	const connect = async () => (typeof client === "function" ? client() : client);

	return {
		async updateHeygenSettings(businessId, formData) {
			const form = readForm(formData, formSchema);
			if (typeof form === "string") return { error: form };
			const { api_key, ...chosen } = form;
			try {
				const service = await connect();
				const failure = await (api_key
					? attempt(() => service.connectProvider({ business_id: businessId, api_key, ...chosen, ...PROVIDER }))
					: attempt(() => service.updateIntegration(businessId, chosen, PROVIDER), "integration_not_found"));
				if (failure) return { error: toText(failure, api_key ? "Database error" : "Could not update settings") };
				revalidatePath?.(SETTINGS_PATH);
				return { success: true };
			} catch (error) {
				console.error("Error in updateHeygenSettings:", error);
				return { error: "An unexpected error occurred" };
			}
		},

		async removeHeygenApiKey(businessId) {
			const service = await connect();
			const failure = await attempt(() => service.deleteIntegration(businessId), "integration_not_found");
			if (failure) return { error: `Database error: ${failure.message}` };
			revalidatePath?.(SETTINGS_PATH);
			return { success: true };
		},

		async generateHeygenVideo(businessId, contentId, script) {
			const request = { business_id: businessId, content_id: contentId, script, ...PROVIDER };
			try {
				const service = await connect();
				const failure = await attempt(() => service.generateVideo(request, { idempotencyKey: createIdempotencyKey() }));
				if (failure?.code === "integration_not_active") return { error: NOT_CONFIGURED };
				if (failure) return { error: toText(failure, "Could not start video generation") };
				revalidatePath?.(`/content/${contentId}`);
				return { success: true };
			} catch (error) {
				console.error("Error in generateHeygenVideo:", error);
				return { error: `An error occurred: ${error instanceof Error ? error.message : "Unknown error"}` };
			}
		},
	};
}

/** Return the reason why a call failed, or null if it succeeded, or if `expected` is the reason. */
async function attempt(call: () => Promise<unknown>, expected?: ErrorCode): Promise<AiAvatarError | null> {
	try {
		await call();
	} catch (error) {
		if (!(error instanceof AiAvatarError)) throw error;
		return error.code === expected ? null : error;
	}
	return null;
}

function toText(failure: AiAvatarError, prefix: string): string {
	const [first] = failure.fieldErrors;
	const label = FORM_LABELS[first?.field.split(".").pop() ?? ""];
	if (first && label) return first.message.replace(/^`[^`]*`/, label); // the message begins with the field's name
	return COMPLETE_TEXTS.has(failure.code) ? failure.message : `${prefix}: ${failure.message}`;
}

interface Form {
	api_key?: string;
	avatar_id?: string | null;
	voice_id?: string | null;
}

/** Return the form's values under the service's names, without absent ones; or the text that says what is wrong. */
function readForm(values: unknown, schema: FormSchema | undefined): Form | string {
	const parsed = (schema ?? plainForm).safeParse(values);
	if (!parsed.success) return parsed.error.issues.find((issue) => issue.path.length > 0)?.message ?? INVALID_FORM;
	const { heygen_api_key, heygen_avatar_id, heygen_voice_id } = parsed.data;
	return {
		...(heygen_api_key && { api_key: heygen_api_key }),
		...(heygen_avatar_id !== undefined && { avatar_id: heygen_avatar_id }),
		...(heygen_voice_id !== undefined && { voice_id: heygen_voice_id }),
	};
}

/** Without the original's schema: texts or nothing. The service checks the rest. */
const plainForm: FormSchema = {
	safeParse(values) {
		const isForm = typeof values === "object" && values !== null && !Array.isArray(values);
		const data = (isForm ? values : {}) as HeygenSettingsFormValues;
		const { heygen_api_key, heygen_avatar_id, heygen_voice_id } = data;
		const isText = [heygen_api_key, heygen_avatar_id, heygen_voice_id].every(
			(value) => value === undefined || value === null || typeof value === "string",
		);
		return isForm && isText ? { success: true, data } : { success: false, error: { issues: [] } };
	},
};

/** What `withLegacyHeygenFields` reads of an integration: the service's, or a row of `ai_avatar_integrations`. */
export interface IntegrationLike {
	id: string;
	provider: string;
	avatar_id: string | null;
	voice_id: string | null;
}

export interface LegacyHeygenFields {
	heygen_avatar_id: string | null;
	heygen_voice_id: string | null;
	/** Whether there is an integration. */
	heygen_secret_id: "exists" | null;
}

/** Return the business with the fields that the original's integrations page expects. */
export function withLegacyHeygenFields<Business extends object>(
	business: Business,
	integrations: readonly IntegrationLike[] | null | undefined,
): Omit<Business, keyof LegacyHeygenFields> & LegacyHeygenFields {
	const integration = integrations?.find(({ provider }) => provider === PROVIDER.provider);
	return {
		...business,
		heygen_avatar_id: integration?.avatar_id || null,
		heygen_voice_id: integration?.voice_id || null,
		heygen_secret_id: integration ? "exists" : null,
	};
}
