"use client";

import { useActionState } from "react";
import { signIn } from "../actions/auth";

export default function Page() {
	const [error, action, isPending] = useActionState(signIn, "");
	return (
		<form action={action} className="card">
			<h2>Sign in</h2>
			<label>
				E-mail address
				<input name="email" type="email" autoComplete="username" required />
			</label>
			<label>
				Password
				<input name="password" type="password" autoComplete="current-password" required />
			</label>
			<button type="submit" className="primary" disabled={isPending}>
				Sign in
			</button>
			{error && <p role="alert">{error}</p>}
		</form>
	);
}
