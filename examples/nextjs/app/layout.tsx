import type { Metadata } from "next";
import Link from "next/link";
import type { ReactNode } from "react";
import { signOut } from "./actions/auth";
import "./globals.css";

export const metadata: Metadata = { title: "Coral Coast Coffee", icons: "data:," };

export default function Layout({ children }: { children: ReactNode }) {
	return (
		<html lang="en">
			<body>
				<nav>
					<Link href="/">Content</Link>
					<Link href="/settings/integrations">Integrations</Link>
					<Link href="/settings/ai-avatar">AI avatar</Link>
					<form action={signOut}>
						<button type="submit">Sign out</button>
					</form>
				</nav>
				<main>{children}</main>
			</body>
		</html>
	);
}
