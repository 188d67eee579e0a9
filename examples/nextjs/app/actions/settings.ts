"use server";

import { createLegacyFunctions } from "ai-avatar-client/legacy";
import { revalidatePath } from "next/cache";
import { createClient } from "@/lib/service";

const functions = createLegacyFunctions({ client: createClient, revalidatePath });

export const updateHeygenSettings = functions.updateHeygenSettings;
export const removeHeygenApiKey = functions.removeHeygenApiKey;
export const generateHeygenVideo = functions.generateHeygenVideo;
