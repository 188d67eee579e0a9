// Fastify with pg, @fastify/jwt and undici's fetch, as their documentation recommends. Logs each request (pino).
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import pg from 'pg'
import { fetch } from 'undici'

const { DATABASE_URL, SUPABASE_JWT_SECRET, WEBHOOK_URL, PORT } = process.env
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 })
const app = Fastify({ logger: true })
app.register(fastifyJwt, { secret: SUPABASE_JWT_SECRET })
app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/health/live') return
  try {
    await request.jwtVerify()
  } catch (error) {
    reply.send(error)
  }
})

const nullable = { type: ['string', 'null'] }
const integration = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    business_id: { type: 'string' },
    provider: { type: 'string' },
    avatar_id: nullable,
    voice_id: nullable,
    provider_config: { type: 'object', additionalProperties: true },
    status: { type: 'string' },
    validated_at: nullable,
    created_at: { type: 'string' },
    updated_at: { type: 'string' }
  }
}
const SELECT =
  'select i.id, i.business_id, i.provider, i.avatar_id, i.voice_id, i.provider_config, i.status, i.validated_at, ' +
  'i.created_at, i.updated_at from public.ai_avatar_integrations i join public.profiles p on p.business_id = i.business_id ' +
  'where p.id = $1 and i.business_id = $2 and i.provider = $3'
const MARK =
  "update public.content c set heygen_status = 'processing' from public.profiles p " +
  "where p.id = $1 and c.business_id = p.business_id and c.id = $2 and c.heygen_status is distinct from 'processing' " +
  'returning c.business_id'
const RESTORE = 'update public.content set heygen_status = null where id = $1'

app.get('/health/live', async () => ({ status: 'live' }))

app.get(
  '/integrations/ai-avatar/:business_id',
  {
    schema: {
      params: { type: 'object', properties: { business_id: { type: 'string', format: 'uuid' } } },
      response: { 200: integration }
    }
  },
  async (request, reply) => {
    const { rows } = await pool.query({
      name: 'integration',
      text: SELECT,
      values: [request.user.sub, request.params.business_id, 'heygen']
    })
    if (rows.length === 0) return reply.code(404).send({ detail: 'not found' })
    return rows[0]
  }
)

app.post(
  '/integrations/ai-avatar/generate-video',
  {
    schema: {
      body: {
        type: 'object',
        required: ['content_id', 'script'],
        properties: {
          content_id: { type: 'string', format: 'uuid' },
          script: { type: 'string', minLength: 1, maxLength: 5000 }
        }
      }
    }
  },
  async (request, reply) => {
    const { content_id, script } = request.body
    const { rows } = await pool.query({ name: 'mark', text: MARK, values: [request.user.sub, content_id] })
    if (rows.length === 0) return reply.code(409).send({ detail: 'in progress' })
    const response = await fetch(WEBHOOK_URL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ business_id: rows[0].business_id, content_id, script }),
      signal: AbortSignal.timeout(15_000)
    })
    await response.text()
    if (!response.ok) {
      await pool.query(RESTORE, [content_id])
      return reply.code(502).send({ detail: 'webhook failed' })
    }
    return reply.code(202).send({ content_id, heygen_status: 'processing' })
  }
)

await app.listen({ port: Number(PORT), host: '127.0.0.1' })
