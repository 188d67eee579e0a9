import type { NextConfig } from "next";

const config: NextConfig = {
	poweredByHeader: false,
	turbopack: { root: import.meta.dirname }, // there are other lock files above this folder
};

export default config;
