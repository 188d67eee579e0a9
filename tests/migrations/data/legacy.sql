-- The old application's part of a project, from before the plan: the key's secret, avatar and voice are columns of
-- businesses, and three functions work on them.

ALTER TABLE public.businesses
    ADD COLUMN heygen_secret_id UUID REFERENCES vault.secrets(id),
    ADD COLUMN heygen_avatar_id TEXT,
    ADD COLUMN heygen_voice_id TEXT;

CREATE OR REPLACE FUNCTION public.set_heygen_key(p_business_id UUID, p_api_key TEXT)
RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, vault
AS $$
DECLARE
    v_secret_id UUID;
BEGIN
    SELECT heygen_secret_id INTO v_secret_id FROM businesses WHERE id = p_business_id;

    IF v_secret_id IS NULL THEN
        v_secret_id := vault.create_secret(p_api_key, 'heygen_key_for_business_' || p_business_id::text, 'HeyGen API key');
        UPDATE businesses SET heygen_secret_id = v_secret_id WHERE id = p_business_id;
    ELSE
        PERFORM vault.update_secret(v_secret_id, p_api_key);
    END IF;
END;
$$;
COMMENT ON FUNCTION public.set_heygen_key(UUID, TEXT) IS 'Saves a business''s HeyGen key';

CREATE OR REPLACE FUNCTION public.delete_heygen_key(p_business_id UUID)
RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, vault
AS $$
DECLARE
    v_secret_id UUID;
BEGIN
    SELECT heygen_secret_id INTO v_secret_id FROM businesses WHERE id = p_business_id;

    IF v_secret_id IS NOT NULL THEN
        UPDATE businesses SET heygen_secret_id = NULL WHERE id = p_business_id;
        DELETE FROM vault.secrets WHERE id = v_secret_id;
    END IF;
END;
$$;

-- In plain SQL, and with names that only its own search_path resolves.
CREATE OR REPLACE FUNCTION public.get_heygen_secret(p_business_id UUID)
RETURNS TEXT
LANGUAGE sql SECURITY DEFINER SET search_path = public, vault
AS $$
    SELECT s.decrypted_secret
    FROM businesses b JOIN decrypted_secrets s ON s.id = b.heygen_secret_id
    WHERE b.id = p_business_id
$$;

REVOKE EXECUTE ON FUNCTION public.get_heygen_secret(UUID) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.get_heygen_secret(UUID) TO service_role;
