import { notFound } from "next/navigation";
import { AiAvatar } from "@/components/ai-avatar";
import { Video } from "@/components/video";
import { SERVICE_URL } from "@/lib/config";
import { createClient, getBusiness } from "@/lib/service";

export default async function Page({ params }: { params: Promise<{ id: string }> }) {
	const { id } = await params;
	const client = await createClient();
	const business = await getBusiness();
	const { items } = await client.listVideos({ content_id: [id] });
	const content = items[0];
	if (!content) notFound();
	return (
		<>
			<h1>{content.content_title}</h1>
			<p>{content.video_script}</p>
			<AiAvatar serviceUrl={SERVICE_URL}>
				<Video businessId={business.id} contentId={id} script={content.video_script ?? ""} />
			</AiAvatar>
		</>
	);
}
