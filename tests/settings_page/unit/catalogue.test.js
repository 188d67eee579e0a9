// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Catalogue } from "../../../app/settings_page/static/settings/catalogue.js";

/** @typedef {import("../../../app/settings_page/static/lib/types.js").CatalogueItem} CatalogueItem */
/** @typedef {import("../../../app/settings_page/static/lib/types.js").Page<CatalogueItem>} Page */

/** @param {number} from @param {number} n @returns {CatalogueItem[]} */
const items = (from, n) => Array.from({ length: n }, (_, index) => ({ id: `id-${from + index}`, name: `Number ${from + index}` }));

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

test("fetches a page at a time, to the end", async () => {
	const { catalogue, asked } = catalogueOf({
		"": { items: items(0, 50), next_cursor: "2" },
		2: { items: items(50, 20), next_cursor: null },
	});
	await catalogue.more();
	assert.deepEqual([catalogue.items.length, catalogue.complete], [50, false]);
	await catalogue.more();
	await catalogue.more();
	assert.deepEqual([catalogue.items.length, catalogue.complete, asked], [70, true, [null, "2"]]);
});

test("goes on past pages that a filter has emptied", async () => {
	const { catalogue, asked } = catalogueOf({
		"": { items: [], next_cursor: "2" },
		2: { items: items(0, 1), next_cursor: "3" },
		3: { items: items(1, 30), next_cursor: "4" },
	});
	await catalogue.more();
	assert.deepEqual([catalogue.items.length, asked], [31, [null, "2", "3"]]);
});

test("shares the requests among simultaneous callers", async () => {
	const { catalogue, asked } = catalogueOf({ "": { items: items(0, 50), next_cursor: "2" } });
	await Promise.all([catalogue.more(), catalogue.more()]);
	assert.equal(asked.length, 1);
});

test("ignores repeated items and stops at a repeated cursor", async () => {
	const { catalogue } = catalogueOf({
		"": { items: items(0, 2), next_cursor: "2" },
		2: { items: items(1, 2), next_cursor: "2" },
	});
	await catalogue.more();
	assert.deepEqual([catalogue.items, catalogue.complete], [items(0, 3), true]);
});

test("can be asked again after a failure", async () => {
	let fail = true;
	const catalogue = new Catalogue(async () => {
		if (fail) throw new Error("unreachable");
		return { items: items(0, 1), next_cursor: null };
	});
	await assert.rejects(catalogue.more());
	fail = false;
	await catalogue.more();
	assert.deepEqual(catalogue.items, items(0, 1));
});
