// @ts-check
// The words of an open content item. {p} is the provider's name.

export const pane = {
	script: "Script",
	nextScript: "Script of the next video",
	count: "{n} / {max}",
	tooLong: { one: "The script is {n} character too long.", other: "The script is {n} characters too long." },
	generate: "Generate video",
	again: "Generate again",
	starting: "Starting…",
	bills: "{p} bills each new video.",
	sameScript: "It will speak the same script as this video. {p} bills each new video.",
	otherScript: "It will speak the script above, which differs from the one of this video. {p} bills each new video.",
	useSpoken: "Use the script of this video",
	with: "Made with",
	connectFirst: "Connect {p} in the settings to make videos.",
	solveFirst: "Solve the problem with your {p} connection in the settings to make videos.",
	switchOnFirst: "Switch {p} on in the settings to make videos.",
	avatarFirst: "Choose a default avatar in the settings to make videos.",
	emptyScript: "Write what your avatar should say.",
	stuck: { what: "This item says that a video is being made, but none is", todo: "Reset it to start over. Its earlier videos stay." },
	reset: "Reset",
	resetting: "Resetting…",
	wasReset: "The item was reset",
};

export const result = {
	videoOf: "Video: {title}",
	spoken: "Script of this video",
	made: "Made {date}",
	length: "Length {length}",
	avatar: "Avatar {name}",
	voice: "Voice {name}",
	download: "Download",
	copy: "Copy link",
	copied: "Link copied",
	copyFailed: "The link could not be copied. Here it is:",
	open: "Open",
	openTab: "Open in a new tab",
	playback: { what: "The video could not be loaded", todo: "Its link may have expired." },
	refresh: "Load it again",
	cancelled: { what: "Cancelled", todo: "The script is still here if you want to start again." },
	expired: {
		what: "No result arrived in time",
		todo: "If the video is finished later, it appears here. Before you start again, check your {p} account: the video may already be there.",
	},
	failed: { what: "The video could not be made", todo: "{reason} Check the script, the avatar and your {p} account, then start again." },
	errorCode: "Code",
	earlier: "Earlier videos",
	noEarlier: "There are no earlier videos.",
	loadingEarlier: "Loading the earlier videos…",
	state: { live: "Generating", completed: "Ready", failed: "Failed", expired: "No result", cancelled: "Cancelled" },
	renew: "Get its link",
	more: "Show more",
	untitled: "Untitled",
};

export const progress = {
	stages: ["Sent", "Accepted", "Rendering", "Ready"],
	now: [
		"Sending your script to the workflow…",
		"Accepted. Waiting for {p} to start…",
		"{p} is rendering your video…",
		"Your video is ready.",
	],
	wait: "This usually takes 5 to 20 minutes. You can leave this page: your video will still be made.",
	elapsed: "Elapsed",
	reconnecting: "Connection lost. Reconnecting… Your video is still being made.",
	notify: "Notify me",
	willNotify: "You will be notified.",
	noNotify: "Your browser does not allow notifications.",
	cancel: "Cancel",
	speaking: "Script of this video",
};

export const cancelling = {
	title: "Cancel this video?",
	text: "If {p} has already started on it, {p} may still bill it.",
	confirm: "Cancel the video",
	cancelling: "Cancelling…",
	keep: "Keep generating",
};

export const notification = {
	ready: "Video ready: {title}",
	failed: "Video failed: {title}",
};
