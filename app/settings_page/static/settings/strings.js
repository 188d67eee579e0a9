// @ts-check
// The words of the first steps, the key form and the lists of avatars and voices. {p} is the provider's name.

export const setup = {
	progress: "{done} of {n} steps done",
	connect: "Connect {p}",
	avatar: "Choose your avatar",
	voice: "Choose a voice",
	video: "Make your first video",
	done: "Done",
	connectText: "Your API key lets this service make videos in your account.",
	avatarText: "Who speaks in your videos. You can change it at any time.",
	voiceText: "Your avatar comes with a voice of its own. Keep it, or choose another one.",
	videoText: "Everything is ready. Pick a content item, and your avatar presents it.",
	videoLater: "Not now",
	ownVoice: "Keep the avatar’s own voice",
	otherVoice: "Choose another voice",
	changeAvatar: "Choose another avatar",
	keyStored: "The key was checked and stored.",
};

export const keyForm = {
	label: "API key",
	placeholder: "Paste your API key",
	hint: "It is checked with {p}, stored encrypted, and never shown again.",
	link: "Get your key from {p}",
	connect: "Connect {p}",
	replace: "Save the new key",
	keep: "Keep the current key",
	checking: "Checking with {p}…",
	missing: "Enter your {p} API key.",
	rejected: "{p} does not accept this key. Check that you copied all of it, or create a new one.",
	shape: "An API key contains no spaces and has at most 512 characters.",
	sandbox: "Sandbox: keys that start with {prefix} work; {empty} shows an empty account.",
	fillIn: "Fill in a sandbox key",
};

export const chooser = {
	avatars: {
		title: "Choose your avatar",
		search: "Search avatars",
		count: { one: "{n} avatar", other: "{n} avatars" },
		soFar: { one: "{n} avatar so far", other: "{n} avatars so far" },
		loading: "Loading avatars…",
		empty: "There are no avatars in your {p} account yet.",
		nothing: "No avatar matches.",
		useId: "Use an avatar ID instead",
		id: "Avatar ID",
		idHint: "For an avatar that is not listed. It is used as typed.",
		useThis: "Use this ID",
	},
	voices: {
		title: "Choose a voice",
		search: "Search voices",
		count: { one: "{n} voice", other: "{n} voices" },
		soFar: { one: "{n} voice so far", other: "{n} voices so far" },
		loading: "Loading voices…",
		empty: "There are no voices in your {p} account yet.",
		nothing: "No voice matches.",
		useId: "Use a voice ID instead",
		id: "Voice ID",
		idHint: "For a voice that is not listed. It is used as typed.",
		useThis: "Use this ID",
	},
	ownership: { label: "Owner", all: "All", private: "Mine", public: "Public" },
	gender: { label: "Gender", any: "Any gender", female: "Female", male: "Male" },
	language: { label: "Language", any: "Any language" },
	own: "Mine",
	chosen: "Chosen",
	ownVoice: "The avatar’s own voice",
	unusable: "Cannot be used yet.",
	idMissing: "Enter an ID.",
	idTooLong: "An ID has at most 255 characters.",
};

export const removal = {
	title: "Remove {p}?",
	text: "This deletes the stored API key and your default avatar and voice. Finished videos stay. Videos in progress may fail.",
	confirm: "Remove integration",
	removing: "Removing…",
	keep: "Keep it",
};
