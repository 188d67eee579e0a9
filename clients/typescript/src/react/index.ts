"use client";

export type { AiAvatarSettingsElement, AiAvatarStrings, ChangeDetail, ElementErrorDetail } from "../element.ts";
export { AiAvatarProvider, type AiAvatarProviderProps, useAiAvatarClient } from "./provider.tsx";
export { AiAvatarSettings, type AiAvatarSettingsAttributes, type AiAvatarSettingsProps } from "./settings.tsx";
export { type UseGeneration, useGeneration } from "./use-generation.ts";
export { type UseIntegration, type UseIntegrationOptions, useIntegration } from "./use-integration.ts";
export { type UseVideos, type UseVideosOptions, useVideos } from "./use-videos.ts";
