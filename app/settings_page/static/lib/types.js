// @ts-check
// Types that several modules share. No module imports this file at run time, so browsers never load it.
// It needs no DOM; see context.js.

/**
 * A provider, as the service's registry describes it.
 * @typedef {object} Provider
 * @property {string} name such as `heygen`
 * @property {string} title such as "HeyGen"
 * @property {string} key_url where an account makes its keys
 * @property {string | null} logo path data, as of an icon
 * @property {boolean} has_voices
 * @property {boolean} has_genders
 * @property {boolean} has_account
 * @property {boolean} is_sandbox a stand-in on the service's own machine
 */

/**
 * An integration as the service returns it, as far as the page uses it. It never contains the key.
 * @typedef {object} Integration
 * @property {string} business_id
 * @property {string} provider
 * @property {string | null} avatar_id
 * @property {string | null} voice_id
 * @property {"active" | "inactive" | "error"} status
 * @property {boolean} has_api_key
 * @property {string | null} api_key_last4
 * @property {string | null} api_key_set_at
 * @property {string | null} validated_at
 * @property {{ id: string, name: string, preview_image_url: string | null } | null} avatar
 * @property {{ id: string, name: string, preview_audio_url: string | null } | null} voice
 */

/**
 * The account that a key belongs to.
 * @typedef {object} Account
 * @property {string} label
 * @property {{ amount: number, unit: string } | null} remaining
 */

/**
 * The fields that `connect` and `change` send.
 * @typedef {object} IntegrationFields
 * @property {string} [api_key]
 * @property {string | null} [avatar_id]
 * @property {string | null} [voice_id]
 * @property {"active" | "inactive"} [status]
 */

/** An avatar or a voice as it was when a video was made. @typedef {{ id: string, name: string | null }} UsedChoice */

/**
 * One attempt to make a video.
 * @typedef {object} Generation
 * @property {string} id
 * @property {string} content_id
 * @property {"dispatching" | "processing" | "completed" | "failed" | "expired"} status
 * @property {string | null} heygen_status
 * @property {string | null} video_id
 * @property {string | null} video_url
 * @property {string | null} error
 * @property {string | null} error_code
 * @property {string} script
 * @property {UsedChoice | null} avatar
 * @property {UsedChoice | null} voice null: the avatar's own
 * @property {string} provider
 * @property {string | null} thumbnail_url
 * @property {number | null} duration_seconds
 * @property {string} requested_at
 * @property {string | null} completed_at
 */

/** @typedef {Generation & { status: "dispatching" | "processing" }} LiveGeneration */

/**
 * A content item with its latest generation.
 * @typedef {object} ContentItem
 * @property {string} content_id
 * @property {string | null} content_title
 * @property {string | null} video_script
 * @property {string | null} heygen_status
 * @property {string | null} heygen_url
 * @property {string} created_at
 * @property {Generation | null} generation
 */

/**
 * An avatar or a voice of the provider.
 * @typedef {object} CatalogueItem
 * @property {string} id
 * @property {string} name
 * @property {string | null} [preview_image_url]
 * @property {string | null} [preview_audio_url]
 * @property {string | null} [gender]
 * @property {string | null} [language]
 * @property {string | null} [preview_video_url]
 * @property {"private" | "public"} [ownership]
 * @property {boolean} [usable]
 * @property {string | null} [unusable_reason]
 */

/** @typedef {{ q?: string, gender?: string, language?: string, ownership?: string }} CatalogueFilters */

/** @typedef {"avatars" | "voices"} CatalogueKind */

/**
 * One page of a list.
 * @template Item
 * @typedef {{ items: Item[], next_cursor: string | null, total_count?: number | null }} Page
 */

/** @typedef {(cursor: string | null) => Promise<Page<CatalogueItem>>} FetchPage */

/**
 * What happened and, where something helps, what to do. `reference`: the request's id, for support.
 * @typedef {{ what: string, todo?: string, reference?: string }} Message
 */

/** @typedef {"initial" | "expired"} TokenReason */

/** @typedef {string | null | undefined} Token */

/** @typedef {(request: { reason: TokenReason }) => Token | Promise<Token>} GetAccessToken */

/**
 * `detail` of the event `access-token-request`: call `respondWith` with a token, or a promise of one.
 * @typedef {object} AccessTokenRequestDetail
 * @property {TokenReason} reason
 * @property {(token: Token | Promise<Token>) => void} respondWith
 */

/** @typedef {{ kind: "integration", integration: Integration | null }} IntegrationChange `integration`: null after removal */
/** @typedef {{ kind: "generation", generation: Generation }} GenerationChange */

/** `detail` of the event `ai-avatar-change`. @typedef {IntegrationChange | GenerationChange} ChangeDetail */

/** `detail` of `ai-avatar-error`. `status` 0: there was no response. @typedef {{ code: string, status: number, detail: string, requestId: string }} ErrorDetail */

/**
 * The `detail` of every event that the element dispatches. All of them bubble and cross shadow roots.
 * @typedef {object} EventDetails
 * @property {AccessTokenRequestDetail} access-token-request
 * @property {ChangeDetail} ai-avatar-change
 * @property {ErrorDetail} ai-avatar-error
 */

export {};
