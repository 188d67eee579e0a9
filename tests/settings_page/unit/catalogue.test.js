// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Catalogue } from "../../../app/settings_page/static/settings/catalogue.js";

/** @typedef {import("../../../app/settings_page/static/lib/types.js").CatalogueItem} CatalogueItem */
/** @typedef {import("../../../app/settings_page/static/lib/types.js").Page<CatalogueItem>} Page */

const ADA = { id: "ada-1", name: "Ada in the studio", gender: "female" };
const BRUNO = { id: "bruno-1", name: "Bruno", gender: "male", language: "Portuguese" };
const TWIN = { id: "bruno-2", name: "bruno" };

/** @param {Record<string, Page>} pages */
function catalogueOf(pages) {
	/** @type {(string | null)[]} */
	const asked = [];
	const catalogue = new Catalogue(async (cursor) => {
		asked.push(cursor);
		return pages[cursor ?? ""];
	});
	return { catalogue, asked };
}

test("follows the cursors to the end", async () => {
	const { catalogue, asked } = catalogueOf({
		"": { items: [ADA], next_cursor: "2" },
		2: { items: [BRUNO], next_cursor: null },
	});
	assert.equal(catalogue.started, false);
	await catalogue.more();
	assert.deepEqual([catalogue.started, catalogue.complete], [true, false]);
	await catalogue.more();
	await catalogue.more();
	assert.deepEqual([catalogue.items, catalogue.complete, asked], [[ADA, BRUNO], true, [null, "2"]]);
});

test("shares one request among simultaneous callers", async () => {
	const { catalogue, asked } = catalogueOf({ "": { items: [ADA], next_cursor: "2" } });
	await Promise.all([catalogue.more(), catalogue.more()]);
	assert.equal(asked.length, 1);
});

test("ignores repeated items and stops at a repeated cursor", async () => {
	const { catalogue } = catalogueOf({
		"": { items: [ADA, BRUNO], next_cursor: "2" },
		2: { items: [BRUNO, TWIN], next_cursor: "2" },
	});
	await catalogue.more();
	await catalogue.more();
	assert.deepEqual([catalogue.items, catalogue.complete], [[ADA, BRUNO, TWIN], true]);
});

test("can be asked again after a failure", async () => {
	let fail = true;
	const catalogue = new Catalogue(async () => {
		if (fail) throw new Error("unreachable");
		return { items: [ADA], next_cursor: null };
	});
	await assert.rejects(catalogue.more());
	fail = false;
	await catalogue.more();
	assert.deepEqual(catalogue.items, [ADA]);
});

test("finds by id, by a unique name and by words", async () => {
	const { catalogue } = catalogueOf({ "": { items: [ADA, BRUNO, TWIN], next_cursor: null } });
	await catalogue.more();
	assert.equal(catalogue.find("bruno-2"), TWIN);
	assert.equal(catalogue.find("nobody"), null);
	assert.equal(catalogue.findByName("ADA IN THE STUDIO"), ADA);
	assert.equal(catalogue.findByName("bruno"), null, "two items have this name");
	assert.deepEqual(catalogue.search("portuguese bru"), [BRUNO]);
	assert.deepEqual(catalogue.search(""), [ADA, BRUNO, TWIN]);
	assert.deepEqual(catalogue.search("zzz"), []);
});
