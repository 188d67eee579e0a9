// @ts-check
// Every word that the page shows. `p` is the provider's name, `one` is "avatar" or "voice".

/** @import { Message } from "./types.js" */

/** @type {Record<string, string>} */
const PROVIDER_NAMES = { heygen: "HeyGen" };

/** The provider's name for people. @param {string} provider */
export const providerName = (provider) => PROVIDER_NAMES[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1);

const soon = "Try again in a minute.";
const avatarFirst = "Choose a default avatar above, and save it, to make videos.";
const scriptFirst = "Write what your avatar should say.";
/** @param {string} p */
const connectFirst = (p) => `Connect ${p} above to make videos.`;
/** @param {number} n */
const number = (n) => n.toLocaleString("en");

const banner = {
	expired: { what: "Your session has expired", todo: "Sign in again to continue. Nothing you typed is lost." },
	expiredRetry: "I have signed in",
	offline: { what: "You are offline", todo: "Nothing you typed is lost. The page continues when the connection is back." },
};

/** @typedef {string | string[] | Message} Text */

/** @satisfies {Record<string, string | Record<string, Text | ((...values: any[]) => Text)>>} */
export const strings = {
	card: {
		title: "AI Avatar Video Generation",
		text: (p) => `Configure your ${p} integration for AI avatar video generation with custom avatars and voices.`,
		loading: "Loading your integration…",
		none: "Not connected",
		active: "Connected",
		error: "Needs attention",
		inactive: "Switched off",
	},
	key: {
		label: "API key",
		mask: "••••••••••••••••",
		isSet: "An API key is set. It cannot be shown.",
		hint: (p) => `From your ${p} account. It is checked, stored encrypted and never shown again.`,
		setHint: "Stored encrypted, never shown again.",
		placeholder: "Paste your API key",
		replacement: "Paste the new API key",
		replace: "Replace",
		keep: "Keep the current key",
		remove: "Remove",
		missing: (p) => `Enter your ${p} API key.`,
		rejected: (p) => `${p} does not accept this key. Check that you copied all of it, or create a new one.`,
		shape: "An API key contains no spaces and has at most 512 characters.",
	},
	avatars: {
		label: "Default avatar",
		one: "avatar",
		list: "Avatars",
		hint: "Who speaks in your videos.",
		placeholder: "Search, or type an avatar ID",
	},
	voices: {
		label: "Default voice",
		one: "voice",
		list: "Voices",
		hint: "Leave it empty to use the avatar’s own voice.",
		placeholder: "Search, or type a voice ID",
	},
	picker: {
		open: (one) => `Show ${one}s`,
		clear: (one) => `Clear the ${one}`,
		connectFirst: (p, one) => `Connect ${p} to choose from your ${one}s. You can already type an ID.`,
		loading: (one) => `Loading ${one}s…`,
		searching: "Searching the rest…",
		count: (n, one, all) => `${n} ${one}${n === 1 ? "" : "s"}${all ? "" : " so far"}`,
		empty: (p, one) => `There are no ${one}s in your ${p} account yet. You can type an ID.`,
		nothing: (text, one) => `No ${one} matches “${text}”.`,
		useId: (text) => `Use “${text}” as the ID`,
		unknown: (p, one) => `This ID is not among your ${p} ${one}s listed here. It will be used as typed.`,
		tooLong: "An ID has at most 255 characters.",
		listen: (name) => `Listen to ${name}`,
		stop: (name) => `Stop ${name}`,
		keys: "Shift + Enter to listen",
		noSound: "This sound could not be played.",
	},
	form: {
		connect: (p) => `Connect ${p}`,
		save: "Save changes",
		checking: (p) => `Checking with ${p}…`,
		saving: "Saving…",
		saved: "Saved",
	},
	status: {
		valid: "Connection valid",
		provider: "Provider",
		avatar: "Avatar",
		voice: "Voice",
		checked: "Checked",
		never: "Not yet",
		noAvatar: "None chosen",
		noVoice: "The avatar’s own",
		check: "Check again",
		checking: "Checking…",
		error: (p) => ({
			what: `${p} no longer accepts your API key`,
			todo: `To make videos, create a new key in your ${p} account and replace the one here.`,
		}),
		replaceKey: "Replace key",
		inactive: { what: "This integration is switched off", todo: "Switch it on to make videos." },
		activate: "Switch on",
		activating: "Switching on…",
	},
	removal: {
		title: (p) => `Remove ${p}?`,
		text: () => "This deletes the stored API key and your default avatar and voice. Finished videos stay. Videos in progress may fail.",
		confirm: "Remove integration",
		removing: "Removing…",
		keep: "Keep it",
		done: (p) => `${p} was removed.`,
	},
	videos: {
		title: "Generate a video",
		text: () => "Pick a content item, adjust its script, and your avatar presents it.",
		loading: "Loading your content…",
		emptyTitle: "No content yet",
		empty: "Your business’s content items appear here, ready to become videos.",
		more: "Show more",
		untitled: "Untitled",
		none: "No video",
		live: "Generating",
		completed: "Ready",
		failed: "Failed",
		script: "Script",
		count: (n, max) => `${number(n)} / ${number(max)}`,
		tooLong: (n) => `The script is ${number(n)} ${n === 1 ? "character" : "characters"} too long.`,
		generate: "Generate video",
		again: "Generate again",
		bills: (p) => `${p} bills each new video.`,
		starting: "Starting…",
		connectFirst,
		solveFirst: (p) => `Solve the problem with your ${p} connection above to make videos.`,
		avatarFirst,
		cancel: "Cancel",
		cancelling: "Cancelling…",
		openVideo: "Open in a new tab",
		videoOf: (title) => `Video: ${title}`,
		playback: { what: "The video could not be loaded", todo: "Its link may have expired." },
		refresh: "Load it again",
	},
	cancelling: {
		title: "Cancel this video?",
		text: (p) => `If ${p} has already started on it, ${p} may still bill it.`,
		confirm: "Cancel the video",
		keep: "Keep generating",
	},
	progress: {
		stages: ["Sent", "Accepted", "Rendering", "Ready"],
		now: (p) => [
			"Sending your script to the workflow…",
			`Accepted. Waiting for ${p} to start…`,
			`${p} is rendering your video…`,
			"Your video is ready.",
		],
		wait: "This usually takes 5 to 20 minutes. You can leave this page: your video will still be made.",
		elapsed: "Elapsed",
		reconnecting: "Connection lost. Reconnecting… Your video is still being made.",
		cancelled: { what: "Cancelled", todo: "The script is still here if you want to start again." },
		expired: {
			what: "No result arrived in time",
			todo: "If the video is finished later, it appears here. Before you start again, check your provider’s account: the video may already be there.",
		},
		failed: (p, reason) => ({
			what: "The video could not be made",
			todo: `${reason ? `Reason: ${reason.replace(/[.\s]+$/, "")}. ` : ""}Check the script, the avatar and your ${p} account, then start again.`,
		}),
	},
	banner,
	// By problem code; see explain.js.
	problems: {
		offline: banner.offline,
		session_expired: banner.expired,
		unreachable: { what: "The service could not be reached", todo: "Nothing you typed is lost. Try again." },
		busy: { what: "The service is busy", todo: soon },
		unknown: { what: "Something went wrong", todo: `Nothing you typed is lost. ${soon}` },
		no_usable_response: (p) => ({ what: `${p} did not give a usable response`, todo: `Nothing was changed. ${soon}` }),
		no_business: { what: "Your account does not belong to a business yet", todo: "Ask an administrator to add you to one." },
		api_key_rejected: (p) => ({ what: `${p} no longer accepts your API key`, todo: "Replace it above, then try again." }),
		access_ended: {
			what: "You no longer have access to this business",
			todo: "Reload the page, or ask an administrator to add you again.",
		},
		avatar_not_configured: { what: "No default avatar is chosen", todo: avatarFirst },
		content_not_found: { what: "This content item no longer exists", todo: "Reload the page to see your current content." },
		content_not_writable: (_, detail) => ({
			what: "The content item could not be changed",
			todo: `${detail} Ask your administrator for help.`.trim(),
		}),
		generation_in_progress: {
			what: "A video of this content item is already being made",
			todo: "Wait for it, or cancel it first.",
		},
		generation_not_live: { what: "This video is no longer being made", todo: "Reload the page to see what became of it." },
		integration_not_active: (p, detail) => ({
			what: `The ${p} integration is not active`,
			todo: detail || "Check its API key above, then switch it on.",
		}),
		integration_not_configured: (p) => ({ what: `${p} is not set up`, todo: connectFirst(p) }),
		integration_not_found: {
			what: "There is no such integration",
			todo: "It was removed, or belongs to another business. Reload the page.",
		},
		key_not_available: (p) => ({
			what: `Your ${p} API key cannot be used at the moment`,
			todo: "Nothing was changed. Save the API key again, or contact your administrator.",
		}),
		provider_rate_limited: (p) => ({ what: `${p} is receiving too many requests`, todo: soon }),
		provider_rejected: (p, detail) => ({ what: `${p} refused this`, todo: `${detail} Check your ${p} account.`.trim() }),
		script_missing: { what: "There is no script", todo: scriptFirst },
		webhook_failed: {
			what: "The video workflow did not accept the job",
			todo: "Nothing was billed. Try again. If it keeps failing, contact your administrator.",
		},
		webhook_not_configured: {
			what: "Video generation is not set up on this server",
			todo: "Ask your administrator to configure the workflow’s URL.",
		},
		webhook_timeout: {
			what: "The video workflow did not respond in time",
			todo: "Check the state of this content item before you try again.",
		},
	},
	retry: "Try again",
	page: {
		introduction: [
			"This is the settings page for AI avatar videos. Open it with the link that `make run` prints, or embed it in your own page with ",
			" and ",
			", and give it your user’s access token.",
		],
	},
};
