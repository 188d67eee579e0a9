import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Avatar = Schemas["Avatar"];
export type FieldError = Schemas["FieldError"];
export type GenerateVideo = Schemas["GenerateVideo"];
export type Generation = Schemas["Generation"];
export type Integration = Schemas["Integration"];
export type IntegrationCreate = Schemas["IntegrationCreate"];
export type IntegrationUpdate = Schemas["IntegrationUpdate"];
/** Every problem of the service. Compare `code` to get at the fields of one. */
export type Problem = {
	[Name in keyof Schemas]: Name extends "Problem" ? never : Name extends `${string}Problem` ? Schemas[Name] : never;
}[keyof Schemas];
export type ProblemCode = Schemas["ProblemCode"];
export type Provider = Schemas["Provider"];
export type ProviderAccount = Schemas["ProviderAccount"];
export type Video = Schemas["Video"];
export type Voice = Schemas["Voice"];

/** Whether a generation is still in progress. */
export function isLive(generation: Generation): boolean {
	return generation.status === "dispatching" || generation.status === "processing";
}
