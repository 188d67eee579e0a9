// A document for React, on the globals that react-dom reads. Import it before react-dom. `fetch` stays Node's own.
import { Window } from "happy-dom";

const window = new Window({ url: "http://127.0.0.1/" });
const names = ["document", "HTMLElement", "HTMLIFrameElement", "Node", "Event", "CustomEvent", "MouseEvent"] as const;
Object.defineProperty(globalThis, "window", { value: window, configurable: true });
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });
for (const name of names)
	Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
