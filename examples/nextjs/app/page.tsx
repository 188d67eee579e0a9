import Link from "next/link";
import { createClient } from "@/lib/service";

export default async function Page() {
	const client = await createClient();
	const { items } = await client.listVideos();
	return (
		<>
			<h1>Content</h1>
			<ul>
				{items.map(({ content_id, content_title, heygen_status }) => (
					<li key={content_id}>
						<Link href={`/content/${content_id}`}>{content_title}</Link> {heygen_status}
					</li>
				))}
			</ul>
		</>
	);
}
