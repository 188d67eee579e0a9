// @ts-check
// The words of the first view. settings/strings.js and videos/strings.js have those of what is opened later.
// {p} is the provider's name. Whole sentences only: other languages order their words differently.

export const common = {
	retry: "Try again",
	retryIn: "Try again in {n} s",
	reference: "Reference",
	close: "Close",
	opening: "Opening…",
	waiting: "Waiting…",
	stopWaiting: "Stop waiting",
};

export const outage = {
	offline: { what: "You are offline", todo: "Nothing you typed is lost. This continues when the connection is back." },
	expired: { what: "Your session has expired", todo: "Sign in again to continue. Nothing you typed is lost." },
	signedIn: "I have signed in",
	stillExpired: "You are still signed out.",
};

export const settings = {
	title: "AI Avatar Video Generation",
	text: "Configure your {p} integration for AI avatar video generation with custom avatars and voices.",
	loading: "Loading your integration…",
	providers: "Provider",
	badge: {
		none: "Not connected",
		error: "Needs attention",
		inactive: "Switched off",
		unfinished: "Almost ready",
		empty: "No credit left",
		ready: "Ready",
	},
	rejected: {
		what: "{p} no longer accepts your API key",
		todo: "To make videos, create a new key in your {p} account and replace the one here.",
	},
	off: { what: "This integration is switched off", todo: "Switch it on to make videos." },
	noCredit: { what: "Your {p} account has no credit left", todo: "Top it up at {p} to make videos." },
	removed: { what: "{p} was removed", todo: "Its API key, avatar and voice were deleted. Finished videos stay." },
	changed: { what: "This was changed elsewhere", todo: "What you see now is what is stored." },
	sandbox: { what: "Sandbox: no real {p} account is used", todo: "Videos are stand-ins, and nothing is billed." },
	key: "API key",
	keySet: "An API key is stored. It cannot be shown.",
	keyEnding: "An API key that ends with {last4} is stored. It cannot be shown.",
	since: "Saved {date}",
	checked: "checked",
	check: "Check again",
	checking: "Checking…",
	stillValid: "The key works",
	replace: "Replace",
	account: "Account",
	remaining: "{amount} left",
	credits: { one: "{n} credit", other: "{n} credits" },
	accountLoading: "Loading…",
	avatar: "Default avatar",
	avatarHint: "Who speaks in your videos.",
	noAvatar: "None chosen",
	voice: "Default voice",
	voiceHint: "How your avatar sounds.",
	ownVoice: "The avatar’s own voice",
	change: "Change",
	listen: "Listen to {name}",
	stop: "Stop {name}",
	noSound: "This sound could not be played.",
	saving: "Saving…",
	saved: "Saved",
	switchOn: "Switch on",
	switchingOn: "Switching on…",
	switchOff: "Switch off",
	switchingOff: "Switching off…",
	remove: "Remove integration",
};

export const videos = {
	title: "Videos",
	text: "Pick a content item, adjust its script, and your avatar presents it.",
	loading: "Loading your content…",
	search: "Search content",
	filter: "State",
	states: { all: "All states", processing: "Generating", completed: "Ready", failed: "Failed" },
	all: { one: "{n} content item", other: "{n} content items" },
	range: "{from}–{to}",
	rangeOf: "{from}–{to} of {n}",
	rangeOfMore: "{from}–{to} of more than {n}",
	previous: "Previous",
	next: "Next",
	emptyTitle: "No content yet",
	empty: "Your business’s content items appear here, ready to become videos.",
	nothingTitle: "Nothing found",
	nothing: "No content item matches this search.",
	reset: "Show all content",
	untitled: "Untitled",
	state: { none: "No video", live: "Generating", completed: "Ready", failed: "Failed", stuck: "Interrupted" },
	gone: { what: "This content item does not exist", todo: "It was removed, or belongs to another business." },
};

// By problem code; see explain.js. {detail} is the service's sentence.
export const problems = {
	unreachable: { what: "The service could not be reached", todo: "Nothing you typed is lost. Try again in a minute." },
	cors_forbidden: {
		what: "The service does not accept this page",
		todo: "An administrator has to add this page’s address to the service’s CORS_ORIGINS.",
	},
	busy: { what: "The service is busy", todo: "Try again in a moment." },
	unknown: { what: "Something went wrong", todo: "Nothing you typed is lost. Try again in a minute." },
	no_usable_response: { what: "{p} did not give a usable response", todo: "Nothing was changed. Try again in a minute." },
	no_business: {
		what: "Your account does not belong to a business yet",
		todo: "Ask an administrator to add you to one.",
	},
	api_key_rejected: { what: "{p} no longer accepts your API key", todo: "Replace it, then try again." },
	access_ended: {
		what: "You no longer have access to this business",
		todo: "Ask an administrator to add you again.",
	},
	avatar_not_configured: { what: "No default avatar is chosen", todo: "Choose one in the settings to make videos." },
	content_not_found: { what: "This content item no longer exists", todo: "The list shows your current content." },
	content_not_writable: { what: "The content item could not be changed", todo: "{detail} Ask your administrator for help." },
	generation_in_progress: {
		what: "A video of this content item is already being made",
		todo: "It is shown here. Wait for it, or cancel it first.",
	},
	generation_not_live: { what: "This video is no longer being made", todo: "What became of it is shown here." },
	integration_not_active: { what: "The {p} integration is not active", todo: "{detail}" },
	integration_not_configured: { what: "{p} is not set up", todo: "Connect {p} in the settings to make videos." },
	integration_not_found: {
		what: "There is no such integration",
		todo: "It was removed, or belongs to another business.",
	},
	key_not_available: {
		what: "Your {p} API key cannot be used at the moment",
		todo: "Nothing was changed. Save the API key again, or contact your administrator.",
	},
	provider_rate_limited: { what: "{p} is receiving too many requests", todo: "Try again in a moment." },
	provider_rejected: { what: "{p} refused this", todo: "{detail} Check your {p} account." },
	script_missing: { what: "There is no script", todo: "Write what your avatar should say." },
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
};
