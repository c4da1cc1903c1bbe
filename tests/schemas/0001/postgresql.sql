CREATE TABLE public.api_tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    user_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    mac text NOT NULL,
    scopes text NOT NULL,
    prefixes text NOT NULL,
    cidrs text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_at bigint
);
CREATE TABLE public.audit_events (
    chain_id bigint NOT NULL,
    number bigint NOT NULL,
    happened_at bigint NOT NULL,
    action text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL,
    username text NOT NULL,
    via text NOT NULL,
    credential_id text NOT NULL,
    credential_name text NOT NULL,
    address text NOT NULL,
    request_id text NOT NULL,
    times bigint NOT NULL,
    detail text NOT NULL,
    mac text NOT NULL
);
CREATE TABLE public.audit_heads (
    chain_id bigint NOT NULL,
    anchor bigint NOT NULL,
    anchor_mac text NOT NULL,
    number bigint NOT NULL,
    last_mac text NOT NULL,
    mac text NOT NULL
);
CREATE TABLE public.grants (
    id text NOT NULL COLLATE pg_catalog."C",
    secret_id bigint NOT NULL,
    grantee_id bigint NOT NULL,
    permission text NOT NULL,
    granted_at bigint NOT NULL,
    mac text NOT NULL,
    CONSTRAINT grants_permission_check CHECK ((permission = ANY (ARRAY['read'::text, 'write'::text])))
);
CREATE TABLE public.known_sources (
    pair text NOT NULL,
    user_id bigint NOT NULL,
    last_used_at bigint NOT NULL
);
CREATE TABLE public.login_attempts (
    subject text NOT NULL,
    full_at bigint NOT NULL
);
CREATE TABLE public.remains (
    id bigint NOT NULL,
    left_at bigint NOT NULL
);
ALTER TABLE public.remains ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.remains_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.request_buckets (
    subject text NOT NULL COLLATE pg_catalog."C",
    full_at bigint NOT NULL
);
CREATE TABLE public.rotation_runs (
    id bigint NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint,
    outcome text NOT NULL,
    switched bigint DEFAULT 0 NOT NULL,
    reencrypted bigint DEFAULT 0 NOT NULL,
    destroyed bigint DEFAULT 0 NOT NULL,
    rewrapped bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT rotation_runs_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'done'::text, 'incomplete'::text, 'interrupted'::text])))
);
ALTER TABLE public.rotation_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rotation_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_migrations (
    number bigint NOT NULL,
    name text NOT NULL,
    applied_at bigint NOT NULL
);
CREATE TABLE public.secret_versions (
    id bigint NOT NULL,
    secret_id bigint NOT NULL,
    number bigint NOT NULL,
    key_id bigint NOT NULL,
    ciphertext text NOT NULL,
    created_at bigint NOT NULL,
    author text NOT NULL,
    credential text NOT NULL
);
ALTER TABLE public.secret_versions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.secret_versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.secrets (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    tag text NOT NULL,
    labels text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint,
    deleted_at bigint,
    purge_at bigint,
    CONSTRAINT secrets_check CHECK (((deleted_at IS NULL) = (purge_at IS NULL)))
);
ALTER TABLE public.secrets ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.secrets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.sessions (
    id text NOT NULL COLLATE pg_catalog."C",
    user_id bigint NOT NULL,
    refresh_id text NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    idle_expires_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    address text NOT NULL,
    client text NOT NULL
);
CREATE TABLE public.system_keys (
    id bigint NOT NULL,
    purpose text NOT NULL,
    created_at bigint NOT NULL,
    retired_at bigint,
    sealed text NOT NULL,
    master text NOT NULL,
    CONSTRAINT system_keys_purpose_check CHECK ((purpose = ANY (ARRAY['pepper'::text, 'signing'::text, 'token'::text, 'grant'::text, 'audit'::text])))
);
ALTER TABLE public.system_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.system_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.user_key_material (
    key_id bigint NOT NULL,
    sealed text NOT NULL,
    master text NOT NULL
);
CREATE TABLE public.user_keys (
    id bigint NOT NULL,
    public_id text NOT NULL,
    owner_id bigint NOT NULL,
    state text NOT NULL,
    created_at bigint NOT NULL,
    retired_at bigint,
    destroyed_at bigint,
    CONSTRAINT user_keys_state_check CHECK ((state = ANY (ARRAY['current'::text, 'retired'::text, 'destroyed'::text])))
);
ALTER TABLE public.user_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.user_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.users (
    id bigint NOT NULL,
    username text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    password_hash text,
    password_number bigint DEFAULT 0 NOT NULL,
    one_time_expires_at bigint,
    created_at bigint NOT NULL,
    CONSTRAINT users_check CHECK (((state = 'deleted'::text) = (password_hash IS NULL))),
    CONSTRAINT users_state_check CHECK ((state = ANY (ARRAY['active'::text, 'disabled'::text, 'deleted'::text])))
);
INSERT INTO public.api_tokens VALUES ('GXEfBwvpsCoc3s3qjk32TB', 3577675934171210702, 'narrow', 'f9f80ef7757bdd9efe1d8c9244011856168a805fdb43ee6053b7b6222ad9ca40', 'read write', 'a db/', '10.0.0.0/8', 1795612722105727, 1795616322105727, NULL);
INSERT INTO public.api_tokens VALUES ('Wk5rnbfxcV3lRNbDrFQvKz', 3577675934171210702, 'job', 'af4c4f490beca2644cd2d23fe6478593a3ebcde635b52a9cdf6f348f6db30c0f', 'read', '', '', 1795612722095209, NULL, 1795612680000000);
INSERT INTO public.audit_events VALUES (0, 1, 1795612721770236, 'audit.begin', '', 'ok', '', '', '', '', '', '', 1, '', '23505041fd68e100a0622b146a01c94f4f30a907f9d77e6e70febc5fda608a19');
INSERT INTO public.audit_events VALUES (0, 2, 1795612722086505, 'account.delete', '', 'ok', 'carol', 'session', 'CqoeEfQByZ86o5brzykaKQ', '', '127.0.0.1', 'Uj6OfQ4Ivd7Mxhl4tO_atA', 1, '', 'df7c69a589d8f7646995a8dc47767377ce0b8689a6335c98ebc764d1ed61d713');
INSERT INTO public.audit_events VALUES (0, 3, 1795612722421418, 'rotation', '', 'ok', '', 'command', '', '', '', '', 1, '', 'c4b0bdc073884d07283c7936ae6189f6c0f4df438014754a1107bb4ff8bc9574');
INSERT INTO public.audit_events VALUES (3577675934171210702, 1, 1795612721833650, 'account.create', '', 'ok', 'alice', '', '', '', '127.0.0.1', 'oFIG6t7V1JyqLT5ywRdkWQ', 1, '', 'd33e93bcb064926469fefa4d1fdd1a1891d54d78a0d2798399927c6322036abd');
INSERT INTO public.audit_events VALUES (3577675934171210702, 2, 1795612721879541, 'login', '', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'XfGmZug2ncIBKiPjWVZCbw', 1, '', '2c2dac82fc43181a4078426479129cdc0b42d827129cd553db900dfc7ff78c59');
INSERT INTO public.audit_events VALUES (3577675934171210702, 3, 1795612721944706, 'secret.write', 'db/password', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'RQkdkQ9uPC2gmwtQlSHndA', 1, '', 'e7b6e12d3c2ecb1d4950bfede763135b59692ac3cf2ff4cfee0ed77944deda04');
INSERT INTO public.audit_events VALUES (3577675934171210702, 4, 1795612721952619, 'secret.write', 'db/password', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'U3E3HsOXn6fX7VEhCpZtBg', 1, '', 'de9b1d64504b252433e433e8e2e4b3a3f8c28e18dfee49aa376a3c274eecd32a');
INSERT INTO public.audit_events VALUES (3577675934171210702, 5, 1795612721983531, 'secret.write', 'db/password', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'iL8cwnVhmS7_CwlV_Zsmzg', 1, '', 'bf221d4e78c97b4e16646f079fc900f6cf008655404d0f2ec03572aa6b7c568d');
INSERT INTO public.audit_events VALUES (3577675934171210702, 6, 1795612721988331, 'secret.write', 'db/key', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'f0hLY5evaxpJQY9kpYez7A', 1, '', 'cac61ef83b86daedc66f12f3c8794f5a99971136154c53a71498e61204f7ca08');
INSERT INTO public.audit_events VALUES (3577675934171210702, 7, 1795612721997015, 'secret.write', 'lasting', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'G1TO82wZYypqAI8mgSNAig', 1, '', 'ed0813bfaa003df41e0562a1feeed72f8c90f075cdaeb459b8eb1cc80a635226');
INSERT INTO public.audit_events VALUES (3577675934171210702, 8, 1795612722004357, 'secret.write', 'empty', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', '9A1zNl3ze-BWZR6pB9f5Yg', 1, '', '80a87e69c5641629aa2140daf08898860d8a69702a928bf86753d039d9338fb3');
INSERT INTO public.audit_events VALUES (3577675934171210702, 9, 1795612722025486, 'secret.write', 'large', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'Yhhk-cwb6U6RthFazq5kHw', 1, '', 'be1fb4d7a952f15bffcecb9583567d5e37b1fda92810eac3826bc86f68e8cefe');
INSERT INTO public.audit_events VALUES (3577675934171210702, 10, 1795612722034865, 'secret.write', 'lent', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'cG4iKjmxo27Ul65WeDmvKg', 1, '', 'b020e1fbd4fba71470bad6c34c52ed6581220cbf2843ac2e791d4a9f7b94dba4');
INSERT INTO public.audit_events VALUES (3577675934171210702, 11, 1795612722041068, 'secret.write', 'gone', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'OFrj48GEZTxvYNLbQScwaw', 1, '', 'dfa3b31777c57e6c1e8cc011eaea3790a2256d100f91ee41e428485327f1b12f');
INSERT INTO public.audit_events VALUES (3577675934171210702, 12, 1795612722046553, 'secret.share', 'lent', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'kxrEtoe95UDYsEML-7Znyg', 1, '{"grantee":"bob","permission":"write"}', 'e39fcf1bef2d2d7f1cd3a34396d5011604d99f2acf659dedbb195cdf40abd51d');
INSERT INTO public.audit_events VALUES (3577675934171210702, 13, 1795612722062611, 'secret.share', 'empty', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'WBm4D-L03WwTB7JG174uwg', 1, '{"grantee":"bob","permission":"read"}', 'fed2ad697757f46d6e5c7c56be0c3ca38172e5cfcf25ab614f13f523a1d30e97');
INSERT INTO public.audit_events VALUES (3577675934171210702, 14, 1795612722075017, 'shared.write', 'lent', 'ok', 'bob', 'session', 'XhZZ9E8XxTQGOM6jYfDB4w', '', '127.0.0.1', 'ZaYUxztjkepZDhMRtOqq-g', 1, '{"owner":"alice"}', '038e3df00ee53ec8ed5142167083e65b035723ffac7293496eb5ef01f95ae888');
INSERT INTO public.audit_events VALUES (3577675934171210702, 15, 1795612722095209, 'token.create', 'job', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'EeDGBNEvpIhPFXhlOSkqkw', 1, '', '17a2a0e2d071d87c8de441ab0329863006231b128ca238d00c90adbe6c7c5783');
INSERT INTO public.audit_events VALUES (3577675934171210702, 16, 1795612722105727, 'token.create', 'narrow', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'PUbEY5cqU8r2vsqHRRkO7w', 1, '', '0a948a96e0148969f1cbda3b5f5a67873967dc3b62793f9d043c7dfb1636996e');
INSERT INTO public.audit_events VALUES (3577675934171210702, 17, 1795612722494482, 'secret.delete', 'gone', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'gZhR4F2HOeOVTXahF7pO9A', 1, '', '45402f2c5bc398c455faa6877e255dc6ba539aa745965eee2dfb735bff2a12fb');
INSERT INTO public.audit_events VALUES (3577675934171210702, 18, 1795612722496953, 'secret.write', 'again', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'PKtkPCgNnh3OLygX1XD8Ag', 1, '', 'fcba8fba16023a3f95fc17ed173c8775490667bbfdc55dbe4504bd8ee77d3680');
INSERT INTO public.audit_events VALUES (3577675934171210702, 19, 1795612722500818, 'secret.write', 'again', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', '--mwEXjO6fvHINkacbwpnA', 1, '', '05af0eca3d4d63852a678a405010c5964b9cf52010e9b6f51204644f580eb4cf');
INSERT INTO public.audit_events VALUES (3577675934171210702, 20, 1795612722504894, 'secret.destroy', 'again', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'ZBBDZnT2KAiM60qojoQbhA', 1, '{"versions":[1]}', '5f68b38608c2b0dae3b140d3823edb29c34e3a0839e7c32234a2746a0d22e19f');
INSERT INTO public.audit_events VALUES (3577675934171210702, 21, 1795612722508440, 'secret.write', 'last', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'St__lbaQumYjLSLC18JC7g', 1, '', '19951b3d8e602b97039d58334d801bbadd9d342b664cb2634da47f6928431fce');
INSERT INTO public.audit_events VALUES (3577675934171210702, 22, 1795612722113503, 'secret.read', 'empty', 'ok', 'alice', 'token', 'Wk5rnbfxcV3lRNbDrFQvKz', 'job', '127.0.0.1', 'Be2nPX2c-yUC7lZkcT67Nw', 1, '', '0f441e16fd17a206f23fa3789cd2eb21716709f6a18a20c712fd848084ab4bb8');
INSERT INTO public.audit_events VALUES (3577675934171210702, 23, 1795612722516349, 'secret.destroy', 'last', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'Vrsz2rd6eMyvH58VEI-VGA', 1, '{"all":true}', '97ea4b65a5ac2e6b6a9e8b9f67a4545af5cb88159b1d66748ef6c592329e6d9d');
INSERT INTO public.audit_events VALUES (3577675934171210702, 24, 1795612722534763, 'key.rotate', '', 'ok', 'alice', 'session', '9jNGiFHyRrfxkmdRt56DLQ', '', '127.0.0.1', 'tvX9Fb46yObgfVSwCValkQ', 1, '', '2207087f7c2294325b02541c9422237885ae8c91adb8acf2c0999694cd61e51f');
INSERT INTO public.audit_events VALUES (7370915240768761493, 1, 1795612721897749, 'account.create', '', 'ok', 'bob', '', '', '', '127.0.0.1', '7sDxRJT38H2icd1E8MsN0w', 1, '', 'b4d915c5299a57e32d10ee8228f0fe56299e172bed1a914148ac15f766e3b426');
INSERT INTO public.audit_events VALUES (7370915240768761493, 2, 1795612721909172, 'login', '', 'ok', 'bob', 'session', 'XhZZ9E8XxTQGOM6jYfDB4w', '', '127.0.0.1', 'CxIDzLd_EeZmZB8DnoD35g', 1, '', 'ac5d90791a604c399cc5bb19113ec09245be30cef5405c65549e4be30ca99626');
INSERT INTO public.audit_events VALUES (7370915240768761493, 3, 1795612722075017, 'shared.write', 'lent', 'ok', 'bob', 'session', 'XhZZ9E8XxTQGOM6jYfDB4w', '', '127.0.0.1', 'ZaYUxztjkepZDhMRtOqq-g', 1, '{"owner":"alice"}', 'aff75bc5c4cfd0f05787549a54bc23d69ac8342a957f1658fea236fa5010c6ad');
INSERT INTO public.audit_events VALUES (7370915240768761493, 4, 1795612722493108, 'login', '', 'wrong-credentials', 'bob', '', '', '', '127.0.0.1', 'YL1MDDKBTcEVfMA8p99XTQ', 1, '', 'b7e6c897c70e8673097fa8e45eaa96bb6818710a3168e4d7c4462bb20535c373');
INSERT INTO public.audit_events VALUES (8250523904424236674, 1, 1795612721916214, 'account.create', '', 'ok', 'carol', '', '', '', '127.0.0.1', 'kQIkQkgwdXe60dt84lQ1qg', 1, '', 'ec8821c156372e52297432d66aabbbde32a3cb605e462e934b696289e35c3b38');
INSERT INTO public.audit_events VALUES (8250523904424236674, 2, 1795612721925228, 'login', '', 'ok', 'carol', 'session', 'CqoeEfQByZ86o5brzykaKQ', '', '127.0.0.1', 'iH931croRTbhtgdK8TfaUQ', 1, '', 'd505a53ba2d541ea33b4d9b37e54562b4f143e56a8934bc773da9430d1fb051a');
INSERT INTO public.audit_events VALUES (8250523904424236674, 3, 1795612722081926, 'secret.write', 'hers', 'ok', 'carol', 'session', 'CqoeEfQByZ86o5brzykaKQ', '', '127.0.0.1', 'HP6NyqKA2EGSegdNLbIQew', 1, '', '88ac8a2c86e9f6cdffc09e7363c172f3450548e4a6c255153b877ebb79b8d2c1');
INSERT INTO public.audit_events VALUES (8811654125162647846, 1, 1795612722542026, 'account.create', '', 'ok', '', 'command', '', '', '', '', 1, '', 'd3aaf70301adf00ae25f446f6ddc07422dcb13eb3fac165bdfc6074fa4ef9885');
INSERT INTO public.audit_heads VALUES (0, 0, '', 3, 'c4b0bdc073884d07283c7936ae6189f6c0f4df438014754a1107bb4ff8bc9574', 'ea61d624ad59ccdcd4306fde5cb2781cf9a8816aef6a8d951b98b5e73bc846d4');
INSERT INTO public.audit_heads VALUES (3577675934171210702, 0, '', 24, '2207087f7c2294325b02541c9422237885ae8c91adb8acf2c0999694cd61e51f', '5a8be0c153b4cf479348cd0b200545d06598003b5c6c5b7d5084a27e585fdca5');
INSERT INTO public.audit_heads VALUES (7370915240768761493, 0, '', 4, 'b7e6c897c70e8673097fa8e45eaa96bb6818710a3168e4d7c4462bb20535c373', 'f37a1ae4abf7bd7737d673af7ba8f6e61515f268dc8ac64893c2dcbbdabd0abf');
INSERT INTO public.audit_heads VALUES (8250523904424236674, 0, '', 3, '88ac8a2c86e9f6cdffc09e7363c172f3450548e4a6c255153b877ebb79b8d2c1', '4e134b5371b0d45a5610304e915ba62bd866578983d9e7ecf4e7fc1535176a31');
INSERT INTO public.audit_heads VALUES (8811654125162647846, 0, '', 1, 'd3aaf70301adf00ae25f446f6ddc07422dcb13eb3fac165bdfc6074fa4ef9885', '36fa7f36323cfb28530c8ecd6e0dd4ad19829d31a4fa28e15940f3cc42b36bcf');
INSERT INTO public.grants VALUES ('-DiuL1gKVmf_s-i9q_KeHg', 4, 7370915240768761493, 'read', 1795612722062611, '2a4b0bc99c13d1d991e92755d28f988639ad29daf02693224171b3c20629e68a');
INSERT INTO public.grants VALUES ('crkusIDJirtSF6oH-CofIA', 6, 7370915240768761493, 'write', 1795612722046553, 'a0f4faa6ec77009ec01181b052cec94a92bd739ad7a2dabf38276040780b4d2b');
INSERT INTO public.known_sources VALUES ('086b8fbd93da819541b8b9d742b90da1c491932360f50504c8b0a1bb746239c2', 7370915240768761493, 1795612721909172);
INSERT INTO public.known_sources VALUES ('78b26dfd56d1f4fcd7358c90feb7220993db2cfc56883b6413d1174706494c2e', 3577675934171210702, 1795612721879541);
INSERT INTO public.login_attempts VALUES ('086b8fbd93da819541b8b9d742b90da1c491932360f50504c8b0a1bb746239c2', 1795612812487074);
INSERT INTO public.login_attempts VALUES ('5433f4df8d8798f0b2648c2734ef4f3720f84e90d02d80d6f8da832e6c0ec815', 1795612829833650);
INSERT INTO public.login_attempts VALUES ('eda176e1e4a172e601f30aa1fda71fb8f34983dd6fc822c38024b13845ca20f8', 1795612740487074);
INSERT INTO public.remains OVERRIDING SYSTEM VALUE VALUES (1, 1795612722504894);
INSERT INTO public.remains OVERRIDING SYSTEM VALUE VALUES (2, 1795612722516349);
INSERT INTO public.request_buckets VALUES ('4324caabf5764f0e5fa96077885def761953dc6552df7b9091b10465beadd068', 1795612740572637);
INSERT INTO public.rotation_runs OVERRIDING SYSTEM VALUE VALUES (1, 1795612722360435, 1795612722421418, 'done', 2, 10, 2, 0, 0);
INSERT INTO public.schema_migrations VALUES (1, '0001_initial', 1795612723420192);
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 4, 'gAAAAABrBuAybyeAsNaUaRxA4xfjevLFjwLWvupITdyERDO7tOGa2TdmuUWZxdNgSugaC3dFwVvMXr4LFDyZ9eB4bGl4B0iCiFnU8CJ5p8pnhGnfVdICEj9owk3f_ju5QouiwFUkhKcOkIAzQhnYZWRj99M7qZRQLw==', 1795612721944706, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (2, 1, 2, 4, 'gAAAAABrBuAyqEbe-lodDcqooWLr5FQ4skACPIcmjnpFVKnPMSo-vCC2YuZiWs9Oe-1-YVQ_YYmr9_cebIgkkZ_DvJztMXCSyAgNgQCbtBSxKpuq58LquuUpvF__QYvuht0vWEsWE7yWhlfuRPTV_VrLNQCyMiVz-g==', 1795612721952619, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (3, 1, 3, 4, 'gAAAAABrBuAyj3pa3QzMw4S8ky-xvv1RPXvpZUiGi5yjJDpcURfRrVsIK3gA9eCzgNFN-6vkqAvSkCr3rexWmvNqWsLQb8qf0jgXDUJXtgXEWRrnONG3YvivpqDoMc7BMhT7VaILpVwl5k4N9vzbiqdRDmSxwybUR-on8Z5ds_HDUuP5PWRVDGPSD8P3roDqj5utZmEGZGSPHskakBx3Tz6WQmu711DPI8SXhS_DuTDXXBarAhuzr4A=', 1795612721983531, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (4, 2, 1, 4, 'gAAAAABrBuAy5F_d19YxUucOUTVoc88_PIS2SVS3bZULfUkRPdvin3gzlIvhIlb8JflDoV3eAEHUS19LhlkEQbrdXDFd9WGraWt3maDhKO4ZoSgeVNipG7o8S9fJ8cpoaUbe0U9E341cKShbML-AmfTgOraxXu-aSzMzx1zjAcT4ceRnbwwWcLgMXx0xX4sz_w9GXiLuxmNrdGoHgautMbbvuctA0vpCl5dIbTvx-XsbwYh3P_T_TMP1G9AWTxQpBTK9w4PzjupJaa9qMWsipHkkV6i1LNxYaxOvHp9VNDGfNJOIGDtQCpPlZL8fnVogm4l7wvN7nM1BnGpo6dAEDQyRwoha1nVE3LS7CmY0YRrDWlLfQZHF5RF3E2prTTMeiaW6y495G1_QSqkPvso9J4SF8Gh8CO6A-pSEPecU7ieqRc5xTOmVyZVb1ieahFf4X3hG16v8bQVCW3oV8PrgbEBlVe8hF9BAimA0XzVAViR-s3firWfMau4=', 1795612721988331, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (5, 3, 1, 4, 'gAAAAABrBuAyid-e_vMXxYhvlsYOQAiAnJcov71UdK34fLPvlr1BzVC_3btq2i6RykectgNVHDrYWmi8tccCA6CfRpv3thmg6ZHCDfz1UTxzabRuYPCOTObkUqOk6DEvPH2j-c_5ywki9zp-ifDhaTjOeQ-pcVXBXw==', 1795612721997015, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (6, 4, 1, 4, 'gAAAAABrBuAygS8Z97kR5Fe9882j5DWyhEtkZgKATNg6H8QNNVFdesyCJnOZgh-b5ZjTYqPxoEU6uSI5P5rVcebh78mnk3Ugvgiqj0_zmt-sobw2z1ZTAqEj8lfbewzuHDNaI5BQXzznOQV95qMNVoWwFuN6pT5qag==', 1795612722004357, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (7, 5, 1, 4, 'gAAAAABrBuAyp4jEoOsPeuApwOjPyKf8NOTUoK61wo9jfcLRA5FWnprcj7ENq_wd0DncDAoJIvp7YtxHDiwWVnmFAtRj3Y9v5-XMgqop9Taom5da-9H3wZ7fpgHOrEUjDPbe4nQJYxsVb5SFQHiMkIPxnkZABO3h9dqz0uNstDWqdM_dgvWPv0VK9ajj_AJ8-BE0fbYIkPFb_AsdfGywK01DVZZu9EgHa54WadjciCxRXhbbFp3lErib_3mgLxj3JZgcuVcAsJgYO7NlTdnIRUrPYiSRl-IMnaka2-ZuzafOYb8PgliCI4k7JdxKxPsynqZRhwW2aswnQoEr5a_my6CntaXDVewd77MvIiaI6TCP-9ut7LytfjgryDVqcrk6o1TBjYycfNfZeFH3AyFmt9jBvzkElEFVnCNX3DmzKy5lM2VivK1vb9fssrV8UopFmLYNfosoF-wCHkfCM7c2OH0e4Mlm5TWLqVdA_YpTnkKe_OnZzqSZFB2XiqMRT-s8626KD_G3CpZYYgxBeIG9rn64Ob_w572ZvjW2fwCQPFxHROT1YYSrjkeX3WXbJSG-p8DFdaZPoy7qpl3f5-BTg1-bvSLwGKL-FZFWjkvYneo6WvrGXQkXNJkpRy59IRcb_c3tf12Ux-2KCma8zL6o6n8mG9-a0qA-jqZ-Wxe5oTVzRr-zRjH3PADridFQU3y95cqLydZCxzJsK7ArR2sApf4SH8aqIF8QucNnG8_75E1xcSn6DTnkzT_ZwGnZbsA8CTtAEIW1zJUET_qLOOJZ3mZlOnLZ_CGFm_1QDV8KPxDW-6-I7OZInAIPMtdY-aO-8QErFw3ij50xEFdk9kYwpUGsSY7Ch-LXupE2Y3ltSNu1JzZtEjdqgIvSG3yEeBaeBBksmSDvIKO7_8AOVBs3P-VDFmyrtHYpjJFHadnWvTPvY-dxv78RFlVkZvYsMCfTtObxldG8OTxnwNSwHXGWxJ2Cqyo37Wl36Lut9EccJVHPEEViaVAY2kNtUh042MwIAVvhCEvFeIUqYBSRFXhWMe03AyxF5LdUQrntgHVqQSXuct2QBEHQkQVhcttY6kTx_Af7i-f1C510qTQ42ZuT2ZtxPjZCVIFnfTiC2HbKS98Eb_Q0FLB1dnoI3C5s06bMbgXPYE0L6XOVvV1lxtEXdFz-3zJtTc-ANHeo73yIOU3DJ-TozMqx5UjXSAJg8ZKQmfAlNhpnB0PytXQFzd_cwGFqdmCDXKYR14lOBa6CWIdf9zRHGWZFLVuhKcMqXnzt6J4EueQUZqassz64F9a7hlXs5g8gas_fFFm6i9D7Scm1yGKDt8x_vumshA8JFU4cpySbK_q0xhL2TGASWvTJdeV01vODeWc6wGu2gk8zDa7vq6JzAchM13hXDg3MJEIT0Tu4kIilFLDcrKtvGJGyB21c9kGucKTjJ0gutFJYwZf3RiGmEnXAKPKfdTTx5_pTSUMDrwnrgYAQ-pjHwHLtcxtpQydwruStuda_TqJxlva1y6gNLx51dUcAQxffRi_-tLivhB5SHAHYaTBLmwfHNpefDyiSw74BAt__uh2KErUb2qoycorPlCXX40TnTs7zT2MeRFDcXuF0e8BEiJuNFrnsq2z4VR-qkxD4rdgMPBdqeC7jN8spjuSFyp-dSzrDbSNkY8FQqc2UQwVMHmgSoXs9CtznRHeDGnt6TDGxoQAmwmykZUgYmmib7eFAw43icZm0rvud4SNf8D5MH7a32h3Q3Zj2UHJn7nqtWAOwASxEafEtUNU396V6UITq3n3hjQCEewg2Jf9UmcswdrWOFviTsu2E4AsRzrVVLEKlUqQ5terJjArfSRbfLnqQ-SD-GScYCc8-Ql2QP76ssp6DY8sGiNQgmkw1U6jSIBtot_kZ7Fjm0qa6RaVEHRzVOito5-GscYWYwMqxCZAouJqkX9nmadPTHho8FSc9UKaeWwdFZJzpY3GWliWpnqXfgdxJECN6H73NZ5jDTV_1b6ctQRIabmUPbzPQbNWcCuGhjGN037ySTJY9Jr048SmIE3lQfdyGR46l8FLj-iwEtYv059DkXEKtx7nbHgjxrj_p18a53FseAU0Q-yUgdGwZjscQkvVO8i4KEYsq2cEwxtv_8yeYC2rj3e6ve7cCIPt5FWZrF-mdWMVAGyt4_9z7Zo9arEPWeFlHYcgTiRAhemFZ5RzjZQYJgj06UJApXaNQY93DAz1pObiwL0faNMZGeeeA9W3d3jqemAcbMWTkPJUGdfLzRs8PsdWdylvjuQ4q5ghs4X4lPHDx547XXMacKegSWwTBUs7l-h7GzaHw0SRBngh9JBhgssW9jcQW1Cts4vQB-xpzrwcUeDpyqojSfMXff9Pbu34x-inaB_xkB9Kc8AK9Bsn5QG3nwJGBlyR58Hm3duhMmHCV245Zm8GN0jpCYx4f6Whp-dnBt616KoceJM2duE-5kwTMyIh-0kzcG0aho6OzusEO3JekcpVQ1OYU-jX0QxRFFHZoYstPq8hjwsFyvHvibSnYHui4CEahGOx2nBVsGT-yAW4R9GfuCb6fC5HmefkAML_kwdQxIj4X4WsPSkZ_dT31vMuDWTU-krMiVJKLesyQy3EukY0hMrx4IoQpAqIyeTABt307CqSIwL9gfTGfliBECMU7TsYB3jU2FLs4ximkpoaRFKNd7v9Kt3TtDk2_RmD_VZLiOlWEz3vhfCJJpYnnE5Fn3HjJP2ykcBlBEew5DOeZHgJhiC4JxTFYvbZ7YNcN32m2cp5PNaNiEYan7bwypbtTr54BpE5zWG-koXOOPpEdFSPgxjkxVE6HGigzE3xMnXW1hrUeOs51v9MjtBBc3WTv2mzmdFUyJ9DU8gT7ejcVMPL9HdO_Kd6hZxlDwD39Y3nSMhg1vmgJqbVNFkPszBbr9lNbLWOBiH65a84Q_7aY7FlAtE2X9D6H1_aD9jsdb9PiTApKIWk2YP638h8CGvGIZJXZ2UxxwnN07mCvLy55D6I8YkE-Bzd_fouknCy2CKP7nLSdXJ1L0dM5ab2_apbbhJEt_HbBh_zpfCVRTFoWdIeq5lhfJCw8r2J2QLOozKzDONLEjsQIkpOY5wmIgq07fSXU59ZJCcgTuVhifQFFvKtbHqAGxa-MS6Ewcg6Hem7eaZkWvf6FxMvsEx-BrWflHKpH7o_0pR3houwJ452VVnBsF_j87JBy3MujWnB3CTFdSNbL-hflBGDQ7niXyyWot1vzNUeMUaX9uJxg4N2asQwTYTllKW3ttVAWEYMeti5hNL3ReeucVd7dMI9XlwmEtglbGCfIpIb58cwq2oYr4bfwZsxyWhyFWz5AKrAPOiKFCCJuuvUZU7sqwq3Px7Z7ifHe3Z31z-grH6uc-aRCzRjd0eSPJWas26PO60SI5biX1Sk2aONgF-RXz6D5IHxTgVfpLWq0w0yW0v0kxkbGDgL9C4UBVDHCH0gvG_MSHdkxRHPtM7RTGTDyWMS4VJOvhloD4AG73a0z2g80MbG13X5U-2xAYwZhROSm9lJnDU5t8JLMaXs3L2pR-6HuFl8JM4FH6UcnITEsNoxuGZnECJQlchEJnnJzhsSZwwNSLJzzUCG7LIRlQ5d2JS3kk8O-LkysE5KfKTGX8InrPYLOCU_S04P1_T2YQ7G3_2XX78Q242GkyPemcfwfLVpcV30isEWBADQM9cKPB300R78m_2NH9Iww6e3Y4pGOZy2JofGUAgXE5mFokdp70yytEn4T4d8H070cM93lbTEcXu8A6l7zSTTbJqf_n0QR_gFvDoX7z-99KwQEZaMgZsmP4lZAR4SZRapvMqWlUV-KeDrLj4kN9loNqAE5wgiV8sU7kwDQqLtQALHM3-uUyfI27TiyTwLBeXiF30wxkdewxakq12iAdD6twckl4Lg-dorCJWK3BEEvzvyyEO7Mu0GWsIqkIeyIKMxmE6-rI06Y3Q4aEVbvd4VNht5uo3pV0jJGq8kCBRgTdL9rDur6R58-J_mIy1MbjCYeOcVPynWm3io30wh7CY_fbjWlaxHO8iwCPmzrP7q2DLWror0j9uHgfAUsPbftSzMMhf2lSa0K8g9PD8FClHeP4MzuYqZindlfwyZPni4Ka-uMWoOmefGWbFRUDfo-6YgGXat29C_SQkilKoLDGJ6rYqL-7XMLol6c_VywBBBP360ma4hxfOQNbKQWBiioimWZm4Qj2g6rjaRWB5b1_SS-msXxnRShnemlI03Y9Xlbn9sahCHVMqmw6f-3lQEK_BFH6Dwa4vdEkZ3phXuP8KkGbjPFs3BUxYH5nI0MDf52J0LpQcl0nTV2cOlCc9oNdXG514JaxOgcsNxprH1O1rAfV1aeMkxZ0J0ahBKM4r9bZIFYYsJus4vKD1H1cJOpTcpcBmWrBtbUF4oyu4KcLOfUsbGPLLacEckOlXEmbgcqZwU-bj8VaT32uE1bH4B-TcQf68OJRumOylGY_3wXR6dyVJSvKEzyAzNhEdThkYA4UELUPo6tUP1uNup3kIXeM_U4AyIfCh6b8rg_10mVopxjyhNPaUK9Di3JTEkF-XKYT75ASMJHVN623Jgmz08bZ_kOm4i1FDPopZmuZ35zjJoCA5N7pdI5G5rEm4kuqYa-i4gTv3ynxE88f7imB3Sns0zAqBkPkva0cKNqaAWBESGwCv9nlr7yxL5zMEpiJBvn5UWPjpsEPl6F16gOYwpkRzGQJiGEsJJRGgX-hlA8AqNGShd7NFtP96SONOw9PtCz78MwViVzfpGX11Dcs-D5h1v4m87k4D_Y287VMTRTjDVDlxUXEgBXjKAYd9Zo3QsLZdy26zsy0mcDLUKL9xCfKH0o2-OTgetsu5ZrgdY3rpnnN4mtcuX6QQj-_Bc7UWpS2_OFrld5zWrOrrciNSJAgGFmqolXggn5HzygR_H7iBmwuqJes7Bnv1vIOCfBt-s-OU1RHY_cZZRVLBWk1s9U6ReuleAl8x9IBaXZbLB8cn_o1IkjjSUNNqTtqABXpfV3HD3h7vfKIJ122GOffXtBlYMKE1ISemkXAlk2FrQjmyXAxiZDKOJ8Rxd-I6bmDU3TdAZA42Gn4RrDzx1Ob87jReBbuXzxdjnlZtFJ-iRpzL5J2MRYBUg13v1y0dBaMjmden3RfG47RulSJLk6DegCCzx7CRAl00DGeYNkPIRpCNEtmfK26UZyLNvTHzpwi4QyyANtYU8JSsAe0LhJq1QNJVBCnvxDDvNnbFmL4ix-8cct-Ch8H-mAa21XzZOI_fK4M3jvcGIj6sXbTde9D7-Nu9qZk_mYQpCSLe3XlRjKqMzaKMOmZh0483nGR-AnsF2WJkrwXMPlPitvk8Zdgn_rCwArZX6ypQ_mcdnnOg8FyLBSkP5XfSkY6GZo_xuq4BXIyq27TXLd9SC80a9qMw1mfDIShiI0lpeNHrhjE7NqstTvO81mYWpVjyXaT2M83h1HTlI78BRtFHzYairOazbMJt_FDhLEjKLRjNH1rofYqXpQv4i-fWZYNGw2MR-GmWZsqQ7n3MamVYWDeFFOx3cz0BiY1kl8645zjRTL9pE3vmUbVWHDSaSUl8-WLoYkGvGaWaJZ1pJU3hfCKvr3Xix6WvzTFcH8Y16opBDGaYjQKkVx40r2t3GsuLHzXaiyioHzVjA00_5GnUf1DSyOwdX1Mwte375IRHCFsQtSWGwfqAgiAdp_IoR72gilNaSdMVHpWmZwlsXDqS9d5zDTNpMDFlt5teVNJDeDcqhQIy4026MIkRopZksaLe62FCcXkR-MXEK7DRjK6eX2V97qdo69V3f4UjsHnUmyD0Vp-5DPe60tB6R3wvli3qxWjqm1WVYrx9Bm9hjXfvqOrUUW8MfYdCuNBx3uGCd6wIiEkftcspSlui2NKqxYuMl3oo9tPJQw3LKDnU2mldMTHkfh20QHKI4nBN09YEOY1rQcvOjW5bEAAQgrK04QGYBEqUnh8IIDXWGwCPoiEdu2P3LQsMVHqUfDl201MkXSuUegSqsA80uHRwl812zIJVJOefTpN07aYQD6mhbyXGisKfGxfKXk7xbufnqO9UkwTWaooTUjYN8hEK5xslVt3CsD9rLy3sn1yZ0hNS3aO4ooyDos_a82-ckscDax3thcWd1sLKq2usmGVAWgi9ymLSYdmNcvievSzPMQR7igjX7Qbhpkvi8-Ey9amPp6h4zmuPbdMnlpmHA2Xidfl0vBD-wflcQIBe9WmU79PlbD_NHxY9Dszjwm4psrtRqH8Ymt8ve7HHZJcP-tc0TJw3gN82mfHXrKzezNUQyay_SLt1vHzZ6E4bgGBbITMFcJidkiL22RQhZtJ4dNaWwSWkjCPtZPbyiOGYabkKA78myoGj64HBcvRCOjSQdrQabtVprlDxDZgPU5WDlUPgDbNy6AUXxgeRcXb6wZlawS9bXW2j8zmIstQ_Jnf61xPSkik9vd795ldId0ArkDRCert_Qg14ivHOYUUxYGvc8IuEn7KQM0AWdhqRumlze-9XmKlz7v3nNi1v0Lhloge5RT2vftMmyeAlbTkXD84jSAhcwf_hutULVgL0Bqpz17dqVQrd_HHxaNdEN7llApRa4wpsgtdlD0vxXEQ2H7FwbdpmAOpxjA1WBXdlX7tDBlubP0hfTRxIpOt70uqdCR1-tVnoyUbrzpxwVzXKvPPj4K2sgOQDC-85jvi_l9ffZOLJDdDNKAeOpghxKg9FK9sSWJp9eWM5hUy2vwhw3qLDNDlyD88fyHTAsvoZXfjkIs0fFlR4-U546faT0kwQznVuPqeh-AYcfJ2QTI8RvXVzG7VAwzRv-Y5Q==', 1795612722025486, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (8, 6, 1, 4, 'gAAAAABrBuAylbbOLI6ouSBQCb0f3p_m46F03uST6uvBUmcEaS_vAZR68-mxf7627ZUgughJ45UUchbLv6tNZDLvXqZof1BocHYCNrn3SQWf7k9calVxo_0t2t4sjUTI-up62PxHX3NZdt8Fggv_VPxDs7psUG87yA==', 1795612722034865, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (9, 7, 1, 4, 'gAAAAABrBuAy8ySRD9rhu7pq-NHnvpgua13l5dZIhuCp37uP0luGPOd3Kwt2xap-Au1eeWQ-OLln3Febvy-rMxdP_3wDD1KOkoQPdwkQw0_sYA9ATYdrwfXV0gsmjXtiEW23HKGGRke118nTTQQa6rN2qulRD860nA==', 1795612722041068, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (10, 6, 2, 4, 'gAAAAABrBuAy9hBA7EcPjCSKrxaATZgFpgp03VwSVTu9SCkjy6ymJ9ulEE67HeAfokkOYex83LDUinB_hgQKh3kGrUPtRafI4vrZzSqcfChlxG5PH1W9EeOZg1QI-N5YP2q9dJeDZEXmriWNtS0vw74p1XfyCLyiiA==', 1795612722075017, 'bob', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (13, 9, 2, 4, 'gAAAAABrBuAyVSuGri9FcXJ7T3jZPd4FBbRAH3WakHzipUVEDkTHRS9xIOcYVtFiZQcjrRS6ZXORerGfTJZNAji6zZQrAQRnOoy_BKJYxIZAGPI3B1bsuf8MGstJX3h6ZDOmrLcjE48czIaw8ikUbn9s_e21Kz60UA==', 1795612722500818, 'alice', 'session');
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (1, 3577675934171210702, 'db/password', 3, 'CtsvsjBsMTt1CdZtrfvRpw', '{"env":"live"}', 1795612721944706, 1795612721983531, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (2, 3577675934171210702, 'db/key', 1, 'lGkNUy4xpu_uY7TfYPw-Gg', '{}', 1795612721988331, 1795612721988331, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (3, 3577675934171210702, 'lasting', 1, 'n1MVJW-OyaVx9DYFw28XNg', '{}', 1795612721997015, 1795612721997015, 32503593600000000, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (4, 3577675934171210702, 'empty', 1, 'STyFQtOIaJJaqN7s_s1CJA', '{}', 1795612722004357, 1795612722004357, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (5, 3577675934171210702, 'large', 1, 'UIAQkUHZNmauKaE-AGd-WA', '{}', 1795612722025486, 1795612722025486, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (6, 3577675934171210702, 'lent', 2, 'qgAaxCRP0R-Jg6AkSVy6XQ', '{}', 1795612722034865, 1795612722075017, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (7, 3577675934171210702, 'gone', 1, 'x0_yRFS6i3ZUPXi8rC5olQ', '{}', 1795612722041068, 1795612722041068, NULL, 1795612722494482, 1798204722494482);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (9, 3577675934171210702, 'again', 2, 'yF0U8Xz76x_MOPFJEYi4dw', '{}', 1795612722496953, 1795612722500818, NULL, NULL, NULL);
INSERT INTO public.sessions VALUES ('9jNGiFHyRrfxkmdRt56DLQ', 3577675934171210702, 'dulqwoKt8XBO3Lb7PWoOTw', 1795612721879541, 1795612721879541, 1796217521879541, 1798204721879541, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES ('XhZZ9E8XxTQGOM6jYfDB4w', 7370915240768761493, 'sef40xBje43dtUtp7VSOfA', 1795612721909172, 1795612721909172, 1796217521909172, 1798204721909172, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (1, 'pepper', 1795612721770236, NULL, 'gAAAAABrBuAxCl_VDvZee7iNm5odnJuYL_fyKMC4n6iLXBkOHhPVU3b8yx0dGTGJBkplG5DAGFEBmtYsYd73CqU16aEEJBvt34H1gb1X7Y1c7PjL0NuubO_JlIbWgGGkgwZDj6kACfGRC7qjX-amlbfIxKFBaF-rHW2SFeDaomrf2WUoOquKMbc=', '1529fea36c35a3f0');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (2, 'signing', 1795612721770236, 1795612722360435, 'gAAAAABrBuAxXCgqu7twv3dvmfSTXyJj2rukfAa_Wsmf4m2nAXdOHymjvuBISdNRl4hqJLa4JxEorAil9jvn82q0BOS7KQBIYK2bXwKf0GM9KIZdiO6mxybKZcyv9RGo2Vh2ZhG_4VjOpNrah4Hnw2RpPphAqB1UO4ysievohL3hpR3aqUwFNrjN3bzGXU0Nvp0EMu1IyXDI', '1529fea36c35a3f0');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (3, 'token', 1795612721770236, NULL, 'gAAAAABrBuAxGucxxfC5d9Y6p4Cw4QISDHiHI7zoZ9BY7SgB7BXXJT3nCnNpZE6uFyBNEkU0CuYapCSVxdkpDGR39KsLS0kg1dtMJrDQ2xdzzvLYShUuP1rGaeslbZ0Lw43jaR77JtCO82HWHiUrVjR-sCHdMw1AfVmLWZNmqVhZF907J92IKIw=', '1529fea36c35a3f0');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (4, 'grant', 1795612721770236, NULL, 'gAAAAABrBuAxOeiDYnElsvHweAw80ApTneB7lOFK-UpZQ2Scsp_95Mkez9JyDE_DPoxYMgrEaUdNW-AwMiwG_awfXS41AwXgJM0S6aE5K6iT2RTQG5mLPYhlqHngpza8XZuyJ-fi9T9ndIp01mwlz8tl2v6dEZjRpzuow4H6XmfVFQTa9H9CfKQ=', '1529fea36c35a3f0');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (5, 'audit', 1795612721770236, NULL, 'gAAAAABrBuAxVWr6U4yA-ny91kcXRDBQ8p24VxqFTaCScxUG31JSMaZyZRzRa3Ac82cR_Rlx76YdPLRqyvzU9lIhl3smlSjDHnZyEbwMfQUyr92DHXHxUZfgmEedOjbGHG8S8V1_GW06Fi4F3OwwEPf0NgVycZjvQ46UpUwFMI_V82--DDosD9o=', '1529fea36c35a3f0');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (6, 'signing', 1795612722360435, NULL, 'gAAAAABrBuAyHG3UfGSCyOvacaAf7qYGJ_0ODqdm8BEIhahROd-gUNj7NUb9R-taOKBQFoSorgo5J_QnyRQNPaY8Dyceyux535taM8AK_M2KB_8VC6u3FVq9m5kOMQ6nRSgqwyo26QUUq3y746cp7gCEP8BOiC9nSGztjyfBngm1SbpwytyOwA2DTfdtjtsNezPuKHoE0gZ5', '1529fea36c35a3f0');
INSERT INTO public.user_key_material VALUES (4, 'gAAAAABrBuAydRShB1_C5A0gQxECztNMOY9fIJh1cyqVOcEOoLa9Yjd5VB1nXaLBBMRadWyaZs80MgyTEk2WfFbbPyAjxi-AR2GDhFFrwLlOjsPZWn5JeAUU4VWH99-ixsfcLgtdeP8BUyAOMcw_R52OaY5knJhbRwxL5nk3lYuNpYyX0Kdk-T8XzCwz6FoLcYJLjxQR3nl4', '1529fea36c35a3f0');
INSERT INTO public.user_key_material VALUES (5, 'gAAAAABrBuAyIMrCTqiJferUniaa_BuDhx0Ra52QkQ5SqO2G2YRijRYWU4jfua77IhhYVZYq-yXW51e5S5ueP544byQftS6H_H9GFp6RQMoULYhKUFeQJZ-Oyug-qjMnfJLPew6HpsN79lza3ASxkb60nDbkSWeHAkG6oGtnMGDJTwK6n-1RrCVp8foO1xRryBx4QQRsBMJ_', '1529fea36c35a3f0');
INSERT INTO public.user_key_material VALUES (6, 'gAAAAABrBuAyJmo4jThSh9R1JqUzfg9_VwnrT6y11wn3724d64WEB_EKgL7RiUZrTXcsKH_fBXvJPvWAL_rav51qIel4TEn0YyXLJrqxY06DBa8hfORfbONGDPbNbkB0GKJ8AxKrB3sydxVfGya7fi5YM-bx2W3id8Bl5f7mNMMi5yc1MCSdPF3j1Gfd2MIW848aJ3boArD4', '1529fea36c35a3f0');
INSERT INTO public.user_key_material VALUES (7, 'gAAAAABrBuAyTeX8ZL2_SJzhZcbwY4QvmAlJ0meIhbA8SyusIpUubXg4-Ovx8mx8wmtZqgNl1jDGylkgzk8eFo3Z7-ClCWCT7ZHkLhwqnJ4XG27JJbIQnthTE4Hb_Bpqk51qgcxGYjZrkBXuCp4UfnciiRAv6TJ7vPasRj6x30dBXY99r7eaqXZ22pbMX9TsSwBtWM3Q8NKQ', '1529fea36c35a3f0');
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (1, 'I4r4IULz13XHaChpQT7PrQ', 3577675934171210702, 'destroyed', 1795612721833650, 1795612722360435, 1795612722360435);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (2, 'mfM_KTq8Q1nQbnYpSRAVGw', 7370915240768761493, 'destroyed', 1795612721897749, 1795612722360435, 1795612722360435);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (3, 'HgMQYJMRGykkYq2tmHcRuw', 8250523904424236674, 'destroyed', 1795612721916214, 1795612722086505, 1795612722086505);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (4, 'EFBeHZkDlVvQ1QE4XjvsTA', 3577675934171210702, 'retired', 1795612722360435, 1795612722534763, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (5, 'QDT3RxJldxIYytVLWhWUPQ', 7370915240768761493, 'current', 1795612722360435, NULL, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (6, 'jmhJ4y32mxo1q-ra6DgD0w', 3577675934171210702, 'current', 1795612722534763, NULL, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (7, 'TGxy04M-UVng1BlROecxmQ', 8811654125162647846, 'current', 1795612722542026, NULL, NULL);
INSERT INTO public.users VALUES (3577675934171210702, 'alice', 'active', '$2b$04$yYSqW1cGnGTBD1Q2F93oWOWc7cBnrKxyqbGgFUlPzRZsxnsBook8K', 0, NULL, 1795612721833650);
INSERT INTO public.users VALUES (7370915240768761493, 'bob', 'active', '$2b$04$6WUDBav74tLUrsW1xsbjI.4DCs2x6RUyyDgRxO4p12pBIPN3QGF2e', 0, NULL, 1795612721897749);
INSERT INTO public.users VALUES (8250523904424236674, 'carol', 'deleted', NULL, 0, NULL, 1795612721916214);
INSERT INTO public.users VALUES (8811654125162647846, 'dave', 'active', '$2b$04$keakPsh3ubUdtK4F31YJcOjfNKH6aN8suRx8MauahFy9moPw4zEpu', 0, 1795699122542026, 1795612722542026);
SELECT pg_catalog.setval('public.remains_id_seq', 3, false);
SELECT pg_catalog.setval('public.rotation_runs_id_seq', 2, false);
SELECT pg_catalog.setval('public.secret_versions_id_seq', 15, false);
SELECT pg_catalog.setval('public.secrets_id_seq', 11, false);
SELECT pg_catalog.setval('public.system_keys_id_seq', 7, false);
SELECT pg_catalog.setval('public.user_keys_id_seq', 8, false);
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_user_id_name_key UNIQUE (user_id, name);
ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (chain_id, number);
ALTER TABLE ONLY public.audit_heads
    ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (chain_id);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_secret_id_grantee_id_key UNIQUE (secret_id, grantee_id);
ALTER TABLE ONLY public.known_sources
    ADD CONSTRAINT known_sources_pkey PRIMARY KEY (pair);
ALTER TABLE ONLY public.login_attempts
    ADD CONSTRAINT login_attempts_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY public.remains
    ADD CONSTRAINT remains_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.request_buckets
    ADD CONSTRAINT request_buckets_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY public.rotation_runs
    ADD CONSTRAINT rotation_runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_secret_id_number_key UNIQUE (secret_id, number);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_owner_id_name_key UNIQUE (owner_id, name);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.system_keys
    ADD CONSTRAINT system_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.user_key_material
    ADD CONSTRAINT user_key_material_pkey PRIMARY KEY (key_id);
ALTER TABLE ONLY public.user_keys
    ADD CONSTRAINT user_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.user_keys
    ADD CONSTRAINT user_keys_public_id_key UNIQUE (public_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key UNIQUE (username);
CREATE INDEX api_tokens_by_user ON public.api_tokens USING btree (user_id, created_at, id);
CREATE INDEX grants_by_grantee ON public.grants USING btree (grantee_id, granted_at, id);
CREATE INDEX known_sources_by_user ON public.known_sources USING btree (user_id, last_used_at);
CREATE INDEX login_attempts_by_full_at ON public.login_attempts USING btree (full_at);
CREATE UNIQUE INDEX one_current_system_key ON public.system_keys USING btree (purpose) WHERE (retired_at IS NULL);
CREATE UNIQUE INDEX one_current_user_key ON public.user_keys USING btree (owner_id) WHERE (state = 'current'::text);
CREATE INDEX request_buckets_by_full_at ON public.request_buckets USING btree (full_at);
CREATE INDEX retired_user_keys ON public.user_keys USING btree (id) WHERE (state = 'retired'::text);
CREATE INDEX secret_versions_by_key ON public.secret_versions USING btree (key_id, id);
CREATE INDEX sessions_by_user ON public.sessions USING btree (user_id, created_at, id);
CREATE INDEX user_key_material_by_master ON public.user_key_material USING btree (master);
CREATE INDEX user_keys_by_owner ON public.user_keys USING btree (owner_id, id);
ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_grantee_id_fkey FOREIGN KEY (grantee_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES public.secrets(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.known_sources
    ADD CONSTRAINT known_sources_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.user_key_material(key_id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.secret_versions
    ADD CONSTRAINT secret_versions_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES public.secrets(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.user_key_material
    ADD CONSTRAINT user_key_material_key_id_fkey FOREIGN KEY (key_id) REFERENCES public.user_keys(id);
ALTER TABLE ONLY public.user_keys
    ADD CONSTRAINT user_keys_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);
