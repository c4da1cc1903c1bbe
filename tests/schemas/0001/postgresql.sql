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
INSERT INTO public.api_tokens VALUES ('9OkT6TkaujJgceBmfl0Cxj', 1714745587293097042, 'job', '709636e7d5735c70569e0862c5b68c7cfe95e2d2c098d9ab100911cfd257621d', 'read', '', '', 1795610308942675, NULL, 1795610280000000);
INSERT INTO public.api_tokens VALUES ('WRkDSeA2cnArL88hsTFc0w', 1714745587293097042, 'narrow', 'ea52ef9adfb663eeaaf6c778e4fafdf6cfcb288ba93cf99d1f33bd268ec49c9b', 'read write', 'a db/', '10.0.0.0/8', 1795610308969668, 1795613908969668, NULL);
INSERT INTO public.audit_events VALUES (0, 1, 1795610307701430, 'audit.begin', '', 'ok', '', '', '', '', '', '', 1, 'bbf1131fe2d958687e17e6598dbba36c9b88b7c6c3fc1ad6eda401c58a4c922f');
INSERT INTO public.audit_events VALUES (0, 2, 1795610308804981, 'account.delete', '', 'ok', 'carol', 'session', 'B_xomFF0JQxM5O9lneYluA', '', '127.0.0.1', 'v2HfhDa884ZCqF1Q_3Lhhw', 1, 'd652cc9ddd0ac71bd013953979b743a814b94312fd3a5ceb0641a6ac860122b2');
INSERT INTO public.audit_events VALUES (0, 3, 1795610310699026, 'rotation', '', 'ok', '', 'command', '', '', '', '', 1, '28e7923cc7379c5db7a58afaa82972a00f5788758470a6b985e40ae4aea0c511');
INSERT INTO public.audit_events VALUES (1714745587293097042, 1, 1795610307983964, 'account.create', '', 'ok', 'alice', '', '', '', '127.0.0.1', 'sgc10UmcU8X6HAeo_eKetg', 1, 'de3ebe1afedeb9f633882dbcb6383822fec8ecc79e9fdfdb44650ec46c977d02');
INSERT INTO public.audit_events VALUES (1714745587293097042, 2, 1795610308030833, 'login', '', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'MQBmpFsYxBdw_OXbMH9-Vg', 1, '15425a99fa8ca5cdea64897fb56237d97d6103cb717c3b7d645f4dbc69c3909e');
INSERT INTO public.audit_events VALUES (1714745587293097042, 3, 1795610308311944, 'secret.write', 'db/password', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'D5vJUHbR95QVu1V_Fe7vNg', 1, '24840e98d839d2292ecc6adb75afff998172dec44d8739e08067c6c21b8bd50c');
INSERT INTO public.audit_events VALUES (1714745587293097042, 4, 1795610308317486, 'secret.write', 'db/password', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'pmKDm_68g-4yYIluRE95bQ', 1, '5ad3c7e1894aac268538682b2b849aee555645cc3f0f69b2c21a1c72ddcac1fb');
INSERT INTO public.audit_events VALUES (1714745587293097042, 5, 1795610308324843, 'secret.write', 'db/password', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'd8BpErojNAMMBToyWTTNIw', 1, '4c8a28c3a280e39cdf54d95b9666699dfbd6cecd7b8bd85c03456650f88896ff');
INSERT INTO public.audit_events VALUES (1714745587293097042, 6, 1795610308418529, 'secret.write', 'db/key', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', '04fs9Yb0mSEe7lxHRE-H-A', 1, 'ae09050fe80ae4b8e19b1d7499c399c950136b25e71abf8929ee74f5b6d8d414');
INSERT INTO public.audit_events VALUES (1714745587293097042, 7, 1795610308422612, 'secret.write', 'lasting', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'negELFdJDgq6066CFykOvQ', 1, '8d22fcda00b5667e68fb392b75958284dc8b3d5c78c68501b17a6cf33851df59');
INSERT INTO public.audit_events VALUES (1714745587293097042, 8, 1795610308430760, 'secret.write', 'empty', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', '1H-H33MsIt_afTdujEZTLQ', 1, '91a1c355baf71f8ef4ca57e028437d7d55dfa698b2720f2d8b0d6f7f3ce6c76a');
INSERT INTO public.audit_events VALUES (1714745587293097042, 9, 1795610308440844, 'secret.write', 'large', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'tV86Lvvxm3uftKLdLbGN7w', 1, 'adf8cc9356e6fc49a51c4819997ce6ea7833af33a71bb9018776dc50646bc217');
INSERT INTO public.audit_events VALUES (1714745587293097042, 10, 1795610308443199, 'secret.write', 'lent', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'y0iVWvgPO_Gv9VaWDzVhQA', 1, '826a7793f8dc07ddca9b8e8ec76deaffdf9c8e02c63392606b7d85577e21a875');
INSERT INTO public.audit_events VALUES (1714745587293097042, 11, 1795610308448990, 'secret.write', 'gone', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', '4OOAQSZqU_yGLzyCOIviKA', 1, 'a10729ae8b6f661a2b7dc6395cd7846dc93e6a0676a93fcddd65724a90326dd5');
INSERT INTO public.audit_events VALUES (1714745587293097042, 12, 1795610308486240, 'secret.share', 'lent', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'nLKO8O_ofSZCm9hrOm2XVQ', 1, '2eb8d84c9183550c3e8dbb3719a002c329476e96b12525c1130cc99a617c0a64');
INSERT INTO public.audit_events VALUES (1714745587293097042, 13, 1795610308530983, 'secret.share', 'empty', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'VtMlETYTXRKRJe23SNxzUA', 1, 'd8b67be963b7aae960e4e49660d3e032cd5c31fece3c4eaa459312783b32478d');
INSERT INTO public.audit_events VALUES (1714745587293097042, 14, 1795610308554885, 'shared.write', 'lent', 'ok', 'bob', 'session', 'JXrShX4jBXgTH7ngZQZASw', '', '127.0.0.1', 'Up9AfwKPHLKvtzNYxhZAKw', 1, '7d25d842e3dea6291e3867da253329bbeb37476a1b7e1272293c6389a466a7e5');
INSERT INTO public.audit_events VALUES (1714745587293097042, 15, 1795610308942675, 'token.create', 'job', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'Id0UMTeanid0YfnYbihOtQ', 1, 'a847945698a25183be2277c51082e77b237b040b267b0672892fe1f8b7e7d9da');
INSERT INTO public.audit_events VALUES (1714745587293097042, 16, 1795610308969668, 'token.create', 'narrow', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'qEoL3Ky1AUGf1cLKuCJgyg', 1, '6b333cc1867093177f5c44897b050a43f49c7e4507486d1efbf1b4617f913bf4');
INSERT INTO public.audit_events VALUES (1714745587293097042, 17, 1795610309001282, 'secret.read', 'empty', 'ok', 'alice', 'token', '9OkT6TkaujJgceBmfl0Cxj', 'job', '127.0.0.1', 'l-6C0S_YrbLaPE28K_Mstw', 1, '0dd155e10fb66a70e0259925f27567bf12470b2d3edacbfb250fb07121686bb4');
INSERT INTO public.audit_events VALUES (1714745587293097042, 18, 1795610310964661, 'secret.delete', 'gone', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'VASkeR2zjCImOTZJGJw54w', 1, 'eda584f02e1245e42ac027ad973b604ceb1362005b8dfcfaa0464fc659dbb1f4');
INSERT INTO public.audit_events VALUES (1714745587293097042, 19, 1795610311011229, 'secret.write', 'again', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'GIiVo9xPZiSh4Tn4be7cNg', 1, '6e073cffb6692636c05648268847a1de7a06d9595d04fc5063f3b38429499afa');
INSERT INTO public.audit_events VALUES (1714745587293097042, 20, 1795610311039310, 'secret.write', 'again', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'ulzdx4RI1Xg2ag8tLZpJZg', 1, '6f685fdf6ef0cd615b0225f8f7cf65d157d00946ba14a7c1db0f0eeb5ae96e55');
INSERT INTO public.audit_events VALUES (1714745587293097042, 21, 1795610311082065, 'secret.destroy', 'again', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'r7cx6EL0yZiZtaJMsrU-2Q', 1, 'baddcb66ea09f8a270e07f892f76184d550b745c4e07fb2e5afe40a7ecbca381');
INSERT INTO public.audit_events VALUES (1714745587293097042, 22, 1795610311101548, 'secret.write', 'last', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'us3ZWcfwYTPnph0l2hcTZg', 1, 'b9d4fce1c061e0cfa7997bec965b353614bc80130ba6f58bcf97532f7fe45f6a');
INSERT INTO public.audit_events VALUES (1714745587293097042, 23, 1795610311129848, 'secret.destroy', 'last', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'e5TukUgRk5_pUOqu1EVyFg', 1, '0e922dd8a1f6f4a6f476661ccac88a2aaa0630a51198f6a47c59e2676f191da7');
INSERT INTO public.audit_events VALUES (1714745587293097042, 24, 1795610311225112, 'key.rotate', '', 'ok', 'alice', 'session', '8IUuhSfofgrEnnk2cqyuUQ', '', '127.0.0.1', 'enogJ7UsmX8xLG5sal9kIg', 1, 'e0be49689fcb735d170ceeae793f28c7b585d59f29abe324e13c1a1cc9a658ac');
INSERT INTO public.audit_events VALUES (1889086013904984883, 1, 1795610311241484, 'account.create', '', 'ok', '', 'command', '', '', '', '', 1, '530b4cb8b09136b35304926d7c6c6973a3ff498a014fdbaae2fbc3a04c334425');
INSERT INTO public.audit_events VALUES (7828091199542948414, 1, 1795610308266009, 'account.create', '', 'ok', 'carol', '', '', '', '127.0.0.1', 'jjATG9eGuUmxu3NyNI-aDQ', 1, 'cc657c4a44187f5f599dcee68d7d62491a7cd62c0ac1d4fdf10aee536e1ec0c5');
INSERT INTO public.audit_events VALUES (7828091199542948414, 2, 1795610308280103, 'login', '', 'ok', 'carol', 'session', 'B_xomFF0JQxM5O9lneYluA', '', '127.0.0.1', '1kDfhud3QLXOZ1d94bxY1A', 1, '24cef300376c35d7d722b345a558d854cd365bbaeae72c3d384b936419e3238e');
INSERT INTO public.audit_events VALUES (7828091199542948414, 3, 1795610308592634, 'secret.write', 'hers', 'ok', 'carol', 'session', 'B_xomFF0JQxM5O9lneYluA', '', '127.0.0.1', 'vES8KcEs78duGt2yOaBFfQ', 1, '67446db715d376a10cd70a94a0a1bfb5dfef91602f1933e8322c43889f0a0146');
INSERT INTO public.audit_events VALUES (8940948331832664863, 1, 1795610308131716, 'account.create', '', 'ok', 'bob', '', '', '', '127.0.0.1', 'zx36myGEYvQsqyphEH3mkg', 1, 'cfbb164e16dbdb454d52d35c41f2ed39a60478a0bfff85fb00f080275a19031c');
INSERT INTO public.audit_events VALUES (8940948331832664863, 2, 1795610308169962, 'login', '', 'ok', 'bob', 'session', 'JXrShX4jBXgTH7ngZQZASw', '', '127.0.0.1', 'qmJSq9FPkYaNvGrTTwDiVA', 1, '4170e5071cca458dd68909c8e0013138cbe19d75e5092d2b6902bca11f2a7d53');
INSERT INTO public.audit_events VALUES (8940948331832664863, 3, 1795610310958352, 'login', '', 'wrong-credentials', 'bob', '', '', '', '127.0.0.1', 'mKCb6ZWN0ecDibs7xpQBHw', 1, '9dd1088f3bf1e376646d5a5bfe0af87626981d1b00a62805b3ad3824819ad4a1');
INSERT INTO public.audit_heads VALUES (0, 0, '', 3, '28e7923cc7379c5db7a58afaa82972a00f5788758470a6b985e40ae4aea0c511', '4b3a10db8261c346424091b079b7d590acc4a8d8af9306cba32cf164b74829c3');
INSERT INTO public.audit_heads VALUES (1714745587293097042, 0, '', 24, 'e0be49689fcb735d170ceeae793f28c7b585d59f29abe324e13c1a1cc9a658ac', '242ffd33d70a10c59331082a0a910866d6de0a9850b548a74298b16d533e9ac9');
INSERT INTO public.audit_heads VALUES (1889086013904984883, 0, '', 1, '530b4cb8b09136b35304926d7c6c6973a3ff498a014fdbaae2fbc3a04c334425', 'a00bc1c260682cc5d4a16e31656af67e8663948dba3035b28fe300d3ab7d661f');
INSERT INTO public.audit_heads VALUES (7828091199542948414, 0, '', 3, '67446db715d376a10cd70a94a0a1bfb5dfef91602f1933e8322c43889f0a0146', 'cde4e416ee795af4c02f9bdda044e87fa7b76a4c064bc0d3bcc3ffc82b6c2d87');
INSERT INTO public.audit_heads VALUES (8940948331832664863, 0, '', 3, '9dd1088f3bf1e376646d5a5bfe0af87626981d1b00a62805b3ad3824819ad4a1', '38582b034587b6115cc5555d6178308f857c1d359bf26dd9a6f1d0b5dcabdb12');
INSERT INTO public.grants VALUES ('I0EzffN-ibfGo_Gy1HRlWg', 4, 8940948331832664863, 'read', 1795610308530983, '61ae83e747e615cc91168f4124cbac9b32d1dc7ef6d32607886527681f386bc2');
INSERT INTO public.grants VALUES ('bp8jZEcJsHGJUUf5UnX2Cw', 6, 8940948331832664863, 'write', 1795610308486240, '7cd0af0f758cab9167a8216a19d0b5e490b68bed2c5fe1a3758387e0bc2e0c30');
INSERT INTO public.known_sources VALUES ('ca879420524aaca05db5082c8330357446693f462bd6b2b414f2cbb772136e0b', 1714745587293097042, 1795610308030833);
INSERT INTO public.known_sources VALUES ('fc1ba74e5a2382fb851d38e7ce83c7a3b18fac30342954f660bcbb2bb3cd41f9', 8940948331832664863, 1795610308169962);
INSERT INTO public.login_attempts VALUES ('c2a504586ecc98c58cb3a3c7da7184d4cc1f2ba0d271d92dece8d4eed2a37e9c', 1795610415983964);
INSERT INTO public.login_attempts VALUES ('cd433642a57199786bba75afa98036c26de2eeb62a98e8f60e439bb38aab0d44', 1795610328933818);
INSERT INTO public.login_attempts VALUES ('fc1ba74e5a2382fb851d38e7ce83c7a3b18fac30342954f660bcbb2bb3cd41f9', 1795610400933818);
INSERT INTO public.remains OVERRIDING SYSTEM VALUE VALUES (1, 1795610311082065);
INSERT INTO public.remains OVERRIDING SYSTEM VALUE VALUES (2, 1795610311129848);
INSERT INTO public.request_buckets VALUES ('ffb6d8db1e1f542221a3c5ca45e221f4cff77a43a50ed604ab080b59a1d68cff', 1795610329425132);
INSERT INTO public.rotation_runs OVERRIDING SYSTEM VALUE VALUES (1, 1795610310464848, 1795610310699026, 'done', 2, 10, 2, 0, 0);
INSERT INTO public.schema_migrations VALUES (1, '0001_initial', 1795610314235153);
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 4, 'gAAAAABrBtbGLacCE1iYR1hjy19ZB--HqT-lnGdDzToHhw00o41FXcEejuc6zMlkC6-1FVGCklJrtwt375N1O3-jMyjUusD0ygWiN4fbAVXLL9Cj5Rh_nYboWrVJ6I9kbroqkw9-a9x4_WGzf6K78DqPwJwJIMheVg==', 1795610308311944, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (2, 1, 2, 4, 'gAAAAABrBtbGWiF4Z0-Txbtm3mn1mInu0uzktxuMGXrkbF0JfK7cVJGT6gdI_Kihbqy9JF4gV4Myi9ODuTehfRVSANonR7ZxTthxYw76wppxRQXLHC8zkYtS65TiOZtXDPWC9s0asIKF5S-q1jRF2dsM2udv-kAs3w==', 1795610308317486, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (3, 1, 3, 4, 'gAAAAABrBtbGhDa0COzHyJPV7Ce0qxLlTlTIts13VYIugU6nBYTuXBKoxpo0-78Rl3ou_HFD_vNzzFc-C8ebz3Xzlv1wCqj4LMs31FtB2qAVM0ivhlAeH0ZM48beNXSBVBBdhvnGKnLRC-VWHWdup7bZpTMyYqwyaROUR88hrTMJISW68D5iBrG6-hzEo8gKWhwlLDfVKejPur6wn6C4XTpS8u1lWD_1fZ-QdedVytXi2UjRb3rGS-o=', 1795610308324843, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (4, 2, 1, 4, 'gAAAAABrBtbGAMt7q2wFHp8MqUgJFevmcOxk9qISXsI67S3QpuSf1GbAvHmGLyXXCc2nnhAgYfeACL_qzNmNONy9sdQbcjzCS98MgLhJvbvMX0aqAYrw_qtEpLvyoagnH5mPpQiUxXBaKHPAcrkWseTPQKcfmy8sC5nplm-SMlxJ1WsveW2bZftGZCZdBvOy0u5CxfFsQ22GqkywXWRHpVeRhAYLiHYcxk6m4lp7DKfpqo56DE8T1-JPwfg71OydEglstSMuCM7VG0CBV3IddupR6ZgJeNrKU3FuIAplGiGKDdTEaAeM_17jkErIUVypDCWvpnkd79CpNQVg2T2gK1Bxm9HW45irLqlJN3IauA_uUsMz4cSVn3qWIh11I8v8sIEDSS5uWfNL8PldQ7DYJo-4i_WdQQkR6g0CFLKPwJmyC1DsKH8DV6rWlLNUCxGhfSNw7KGXaISh5cg9KD6iwjYaYm6TcimaQn8z3h0HzAvuUoMiYwy8ELQ=', 1795610308418529, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (5, 3, 1, 4, 'gAAAAABrBtbGFsXSwX_hhqXwxpTd__ycnpLcz1xs9bpmNkZKVUPQrfLp0a1DoBU6wFoZldj-7R8VCWAZSTWilU4YafvUzEX1eS-qf-hA-goXJkOKl7meygMR0kWj8X_YaOsNrWs7Kq3O7Dd2CfS9hxAOjzKkxjUEKg==', 1795610308422612, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (6, 4, 1, 4, 'gAAAAABrBtbGKJnoCkLq3va7qnT1fNZ3-vpRzhRT6wpfBE0IRcDOZQHZyz8VpBr4AM_3XKm4DPGj-gRSW_iLWJHPgfQ0xnuVLQ6yucvIdUcCKPlUskYBaLxpY6p1T2Nwb-hABroWhVOiO8EQDe7-KZ0hY-GEU5kuww==', 1795610308430760, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (7, 5, 1, 4, 'gAAAAABrBtbGWrHO0Zin0rZVQPDCWh19r33f4PD21V2M-xBhRaGYJiUtvEyihH-yafJAPi3iHcH91Luxeb_KUnY3wX8S5MJiYRnwz_1LLtS9L9Wiybow_vshVdL2_nWfcbimFoNGy4axlpYqg4g9qzK2nAP1CLQOqdR_o96_valIC1YG00fFEJ1Xemox9CspBmC6n0L7XcuNSHktkluD_wBYgQ2aDl5Q_j0HjvR-ZoHzrhGvEvKE8xk_Z52APmV44dkLqLudpevTdsnhlFu7yv8vdY5owz3lS0nqvgFf2oV0LUb8kPPOpybds7caCtP64Gii-HA34Kx5JXhb6MisNLp4gjUhNO9bSQ5ndWRWtAPDVbPHEdPFnFslt4RHjz8LRPVwbTOJ3uklOGX40NDyhOsSpB9vK9nFj8P8ATP1cC-2GAD9Vv9aQgeXIeyv1y9OpbOq_RKaoeKgGT-Cu-PLlMk3Mq3qNYugvfcLYPQrhCOHO19bhKh1sg5QfEn_RtiNjeHtHd_tqGsXshvEvAviEzrccbYLcpxFy75ArjGYCGg60eDw_PMkX4BxFxvq-e5cSJ6ELpVhT_bHlee1t1M2iOcLSrxa3ju-fJ0ghjDtK254dqq6hTY0JK-lNmvU-P3-ZinJn5lP0PeU0GzUS4-1CB4VCtOz0O_yDvaWpMdDxRqu2JJNZaDofFTXskN_94w7Oacj8x--HkKNdV3DWYhrn7TkjkxJsyk9EqlLhaEmUDSICKFbrvL3Q_vYXRCFlt0UWfIHDWJo06UrCTJW1_V2R906nAimt8VS6NLgvtQ80M2F7FjbY70Lp3ShvZ50WJBKR2DZb992uqk-CHyu2tR5cqBFjqJojXoF0fky3x_0edmcmKC01pjIZWHYBg-xNQ9z5DmUBuwH9iN9VPtJqBFN5CgcCx5d142Bxwn_UAHIsYBB30VF3moc_Fq0qyMi1DRwruSTTy6OHVBTY7hraDFedqJ7g4RoKshrw7hX2LdfQqyXvg4W-7AcGtvbaKxfIWr7WN15fe-ovkPufetlR8zHaoxCo4nrtlXVVcFw0iw1RtIHx8G5F4oPNo95vhIkQ5JGHHwD7wL3PhCsvtNijvBahLdiIcMq5CCcpU7UTAEYUf3b3x1fxd7HiFQRMjL4--SoNCiyBA4ubIwqmeY1AaA5hJ8KoBtkQn6PUH2LGnCin1AXfdCbH3onU-fV0IWkZMLgf1dZOgser1JnxUXfIEq5JLvts1HldxEX_RytQ0iRLGpwaweLmI0GzoNUz85qGcUy3igg7olP8yubkeC4NTQodGDNYC8Bwf3l6N5Nu1tIwnvVu4VO-KMrIkfiJH6D_uGHmLsmvk7oVDoq6_Yv4tIZuH6pT-152UdnwqSjhHmJqHsDsTakGiEHaXUesp13zgLrwiChRwsTd96zv2ISB29ZtFnSdQWJz0tmlr0IWqDEE8dEpowgnzUfRIjvfR8sGcjqtddaEb-pAVykAKNF1xnXaPfV575XPS23YvFGnJjK-CJbKbtj-bZ_VSnmSZGpGJ0szTPw8pOfJ0XzsM3rbfNoUow_N-leVSxoAuej3nQE1PLl4KTfyh5MraPQ3rN5rjrycRATj23hg3dCK4_mgijr_RC6Xmuu_CaNzzPR9c3FwnyCrZiK8F6EO_pafsirhQ9Ei70zgAbPrjseqSnEQ-UpjXVRX1Mk4WE26e-W3BR3DexOzxI98zESs83guMqQR6qx6kAcmI7jDv5kV8KWHAbIOWWG6TPICrch2JuIxqZG9iju_HiWeTHNdeeMh4URAEOQFJDp6v8iZ7FfE91K2XUYq7IozeJREo1XyyZP64k_2KMuWcTW5L7A8BT73_IEd0vanWEkcD5I8LSOamM40ljeN9HpZU_VwbEVmss0m1IBZqGTwsRktG7SKSZ-Fa9G69euP7RILi3mY2jKIh3XI9RPICnMwTHRte3kS02eLbBE4WYxqnfbTmkX0dBOZolqIkWsJVW6e8Cox6p8nxpl1ctdcQAuTQnjK3qg9fiWu2Iu4zDDNsf0ngQRZizZ6nghpknsFi1PJ4AMh5jCt9hl-gSt2-TNZojQCRDB9BqybaGKgfLIIVZZNPgQ90HKsJ2lkqk6h9HN1Z6k3pSSP8139eggQb61NTtD3h_Ecau9ivGSWwl_j0AyRtY0GEjW2Kj3sfjpUBCjeGdGgoX3tAp7y5DyVG2QlRNQuiND0tI81EQ3RC16ZHJTE-IUuneOyu9TAns-o9vSry6Zh8EZjBlLdK5ELsZsW8tltYb__hl4mLkRK9Gixmovhq-ZskqwjBBdIlVa1qpYrzr52gvXf3eFAYByaiHuJuKWsVFzSyJD_nCQIx-aRLeJEKtAi8V0SgrsphrPNLCpKLgvJT3Tvj2Jshx2NJw9nyd1Ml2MkSN37PGkEFVVnTY4ORNW-gZwSQHqn1mh0p3TGXjSHQPRMUfH106cvh_BE36vwIYTKvRGdNCPtdeFg7TcO03jgLCl4dcvIF4spU8RGBSBn4kDr2yGZUSDo1cIxM87_95qHqJPEBRM0BtraNX4iXQaKerzO4SXCEmBlphEdegAz2NuoIdSjDxQ2KKKg2-jO0NqKJhb6OXfhE5uwD5LA0v2AfQTWptsRhcAkJBF-Lp9wOux5VNWrlEI5a7OV0Okj7johceL1mvqp-8FIFH9i7Q6NAcJsnlRcSTVreEG34oSVqdRXegmXKhmprLaTVhrfX5c9BFOwsexh7ykiUZK3JoSPIYYhebgf9JJ41fvUv6UTMDuNqSh9K1GiP6Zkr254HYbgpTDRjAQtgwQNUOLcsBiIpfv3stkjoe0PuxpOLag1FOnS6okb6jJRZi8_JGIo9HWvrdNIUOpg3Vd68lZGeUrdrGGzm-MzGwiHcrLMYjBbfdgnN8xWyr3_8B0cgcO4kqECl_CuLQ3ov9nbsmWH9QZmveUyURfcm6-ukkytB8EDo2xwVeR-exuJWrf1QRdzRrETCjdNvKQLkWa4GQKiPaYC2iVvlfOgw3MLK8K0wBvQtrM3INT9oz6oja7SOQXes0xtO2eDHtULrq7zj-rYJ0qcePMqjH8wF1F_fwlpgDv6tYnjdFf7jhjgWsxIZhlrYtIxZt9AhK8vl6vaZZTE1pgCTUPewuExfBnwW-8XgJg8rz7N73NqoGCztAoZ_XlPKSbU9Hq1a2D5FoZefwM0Bg60t6a7xcL9bFQpUwp4S1_1b-przyQCiOx7KT53M1IkUDJf8ejD7jm54pKDJ4bB2eEmndpMrfA_ytRZqR7uYilM9yvqoj1EYHFsPNQ_yjPO3FW8_63jWBGL5OUpXnCl_in_H1ow-lee4lwZxu4jkE64BKAdj-8gmzKuayR5Y1a4Opv50xi1ok08gdLar1xqxDmVjlMPxwlapYjJPu6r7QjrvVDiwwIsqFplSih7k1JXLTgx55Ka1U9p-UHAazvqnJYmhBV8PT395ds3LHuvN-axg0YeY8PDEDn9W4UegMBN63w-22jBwEMtcQln3R5Z4ZfykvZZicPhM-I3UEpWwY2rFz04-LdvPQyDq71zFl14divVLZm1HF7CdhCQoQCIW2JkrA6PHouYoyyPOaIymIBsIVFmC1lhedPwhx0PQ1tuISQtlZt3b1Ggw8Htx5sPXwGXKfKOaaLeE6s7oF19eDJMrPKDBBF6ypv3eBIf5l59nb8R-hCpBaeaElRJEgO5nw8w1FT5ICd5QN7-NTAWuhPojoq7xLAga3qOnVbJikEKTFMIiUf-BvIpQILO5zla4r-rRbz-odeB3V_E9P0CPzv9dQ8pYVNiL467dNshVnFwGnFJ7ooiemc8uTBagMjUYTaUgWYlHL449RKVnC7vJkn6od7ozAyDBIYtIwOjaqfLqVo-Us_dPEAl0G0ePQZcnyxhDdJhm2ZZjbXMCUCdzHmrGUeSSCCSBnn6D-RUQL3RJUyW5wWrHdDsW8L3-VNrskE9BLb1kDDqWhrp9aKBcRq3uOGfegC4rAwxougEtHOpEak_4gOsAEw2OqqTuOag-pZ5CSxci2_nNJO_W-kjOfNa3j1Wsq-51nzccTxP6Hwc46yQWLy6MTAwfCJlYPvNF1mlWFXYwont8sFH9cksA5Kj0ruQDT4Ldv5D3I95b_Fp5xAyygvp4UdMal9iVjLX3fqrRkunt5sfQAFqdJvsfwCBKQBA0f2MBspzUqywPw1sJ8QbJn8IgTWCT7CQPbeGA0pU1Vq-q7kP7R2SMiKUWyiMW05CCm4E9IrvQkY_Qa9awMTRx4UhjtVk6qmXfIZC1_4skQVZsmIERfDZPSE8ciSiTU8XrwIGikcxAI141gZh2XbF4MQbHs3QP1GXIA4QA-fOKZYaKM_KqF7sy-yn-nmPm37Ze4bK0GaQY1bZXMIPGaAOxwZrG29f5XTrry40ABLU7hdmiTmUbuuO4inOdKvcO9CMgZ4h1mfb0LxJVE-DXR30gP4tVUXgiFEvRMoVfjxe0Xfipvzrpa0UhFibg9FwQVdp_BoqrvKqSMxxm8mIH0yQQmc2dtyPpqn2bdam2Ep0JhPHiJSg7Ky4WUkVX0S2B7QXzpmzg5-e-MynvLkDpcXAulfhUquTfz1D7WbuD1Ep0wPzibgyW89dXYZ6s3KAO2utF2e-BRgBjncy2NQl0dwtOawrlA_57ObUiwrrnTcwFXwb8fo7rJZTPPS1lBPD4KgwqT5wWn8DbD9jFl9P1NfKks-S_QH5XSOttiAUfxrDmjMQ3hWc8iYNfNIqMwqW7HKU246hc0vG7eXsYrJjG2kveTmbt7MJ_-ZuTwiwD_9NYf9c4GJIsd-LfWeNEcVvQSzIsb-8oi66KDtVUUQBTqJ0VM0GCsqSmw1CrUXQ9FHS5f4jHPn3hVu1ui77w006zcqw1yXzbofBd-dWTSs535XFBhGgqGNKCRRBSsm-uqN_ckxBRnw5YonG8felT4NwmDXSiiuYzRLdlfgNDO7UwJid0XygF1ExeArCnNri1Ab97K6wx-MgKpZYGXa4pB1pJpzmv6EGDa4PwsUjbThq1mV-t8gFkmq5LENGysrdqrpdPPzoQGkhVJF1BKQJObaRtZ6MFoqVx7h1OQhDf728ZwkvepO8AMZaro1aODst6wthMpCQ5KG2WRNfoDXKAfdtqwXxmqZBqLQVwqqjwJH1Dqk2K35Ms6ifuJzPB5qFR4HkQbd2BU5TUFJO0OLZzHo3hUwgolaBxP_PEFpNL-2YnxYVVnOIRGh4pchPrwQ2El366XFcIPCfjvZIoLUDOHBrycF4kOupotsYzY-ku9F5_hgdyrgsjd6Qo10hZ37YzNXbeVAkj4UHCtVO41WBliwLhV1BCMuXChhhyT5apfilpZaRY2CUReDU6k_S286JH0tNRapJxI3rgCPAXdIzwC2qp6EnDDXpMQbLbuiSCO9Za6-uriWYhavUBPfbX5xxlkmf39BdQGFLKIlytg4GsRuWp1hb3ufsZnkYpK0x-FPuj1ANNlfa82BDa-QGk5hJiQq7ulLzcUNm3_ewwTT9y_khdO7aWes8rILUtO5Nqr1rgFtKHYFmvx5uZQE0tqBCmPn2ynbQiXN4Uqr_KJBfqLehXggvhXLRiWrYSUA_dUgwPUVQVkMm6ngXlL6tBiVi98lTH79Cpe-tKULoajtvg6Vzm71WXeRHC2EV_ScOtaFUk3_6dV6gNOCGiZeUTDPweOQE9ifGtXmuXkNlLSGdkwWCroEbVU5KqNrVr_crSlGYwcTgS2jK4fi3ICqhRG1u9hT9aObvTrqOojL8CjS670Z61ye0AT_ldfOTFKhluCmsWyWoxBdiESajRNcpSfFIjnxjBQHZJH9DY7C-S5xYn1NFtu8D82rIPq5WpmJCWwstQcBihVA_dqlJhgd6A0cGWmRlCpitV7GgvJi-eg0_0JrNRsIQLAySoqnuQ5hPx3A5uY9kClGKN9nMAwPfsdBtZRDmTE0_dTjM_SRcuNCiwjfU1DiL0GqqNvWBjU1imEbq272SIXd-OpWKbUyCx5d6CUrFNMb-xUL-hDW5AGCS-wGgy9uRm6EcxICEK9xbDw9I51XtKTJJkLQ-vpXxQNtnYNuloEKtxGv4JCcOXivMMWcsnrj4l4aORgoLhDrqM_2l0Yu4PHzzPOkGUdhoTpCP0EL3DgtUeXpMxLhoDybziPnOsFPEEZ_Pnpd7pghXkm-LBDVgKEhmrvWvAPSSr4uOR7K7AwIHJMYfNSDPASPK-WS9EUnTgeXW3Ph52bn09vazZZKX7vzlaSogYTMQEruaGCXTuHe-ynOpqKY5nRvw4pc01IFBSXGo8onpMrFoJO_1sEhZCh-toWnQXarlu877BtvBLR55IzQ6Wv_e_eEt7TMwMUWvbSluEEH8VdBBvUa6eDDtBcUJ2o0TZ7_7jUmIk9XgtCMkCBrDDT1Q8e5dmq8u7K7Rrwu27lMHyT9RkdCqWRu2Xc-vSXBtnQ0nPzEHNCXjly237qlpY80HNfakTuSx1m4oEqkeabkV6QGRCy8rqHm8slsh6zYWqf0gIXBSBMplId7c0WNYCrWCRlNajgtN-Yl_9bdjA2BLxcKygDZ64jViVWD8VleQZrbvKqHr68UugoMcExT2tpbZVHXIfnbJQBgousG8_GVkodpkum80VvCT09jzipGdSZKpNYQx7_zsVKvhl3Tou8y1tAGpoXS1dTgPFvqC3yy655jdv-3di2NYMtb2G8nwCOAYWXZM3UJJxacg9cWi3PRqCur2JIN5y1MwSrfnT7iHGCs-3N3P-bFWe24qn099uU7bZxU32FeaLzEBdcPBGIweqg4k3DxAXbwZjyPsN1YaO0GlSJ_0Lab7Q==', 1795610308440844, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (8, 6, 1, 4, 'gAAAAABrBtbGRO3IWr0C2FKyNPe4snxAIbLZLrhqXn76V0TgE4NghviI5T0p61d3n9m4w1Ll_Cse671MbBN9y_pOprVa7qrg0aqqpXTrQkhrsN3Qdug50u4YFCeo4st6PRmSoDOTy8aNC-dnrI6OOyGY6Mm7tUV02Q==', 1795610308443199, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (9, 7, 1, 4, 'gAAAAABrBtbGljbSX7qVfvntsKhc9qYZ0O4ajgbG9CYCXKQyv7nPDcseT8oG1AUL9d5tuWmK9PUP1BZDgDTzmYxlkhxfwF3mxEx7-0EAOTs3fuEQJ1Hrsywi7JtJRXhEJDJXUUNj8Eyquhe8vtr1wx-uTS8vQQ6M0w==', 1795610308448990, 'alice', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (10, 6, 2, 4, 'gAAAAABrBtbGQzlhGkWlQ_3SaYz2tPElCPWAyc1gU4M5A92kRgswzSWurzHyhfpwje3Lyram7IOVb3I93DbGCzUoVw5YgEtSZdjwppMLk8fsHBgDl7zY6UbxZp0QjD1_HGYbTc_K9ZoxajqIxvmdXJVhWuCpEVKMWw==', 1795610308554885, 'bob', 'session');
INSERT INTO public.secret_versions OVERRIDING SYSTEM VALUE VALUES (13, 9, 2, 4, 'gAAAAABrBtbHkN9nd6i3pDb9HtoO92_KOUeQ-6PQIseWbGfEZj_jv0bBLrIZt2KJgdyZ8rnEvD3KWAYXMbFYlfvsx07c1d0Tg_bnzAQI-hHTF1c6yg3kv4N_J0Mcmcb640oKcWusWC9oYOr3ORwUrT6eDAmCLjK__Q==', 1795610311039310, 'alice', 'session');
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (1, 1714745587293097042, 'db/password', 3, '4DS-ZzwOoHZ3o8rK_iBm1Q', '{"env":"live"}', 1795610308311944, 1795610308324843, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (2, 1714745587293097042, 'db/key', 1, 'HwO1grbmtuHiwnX5Ky6AIQ', '{}', 1795610308418529, 1795610308418529, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (3, 1714745587293097042, 'lasting', 1, '7hlFEi-menLDI78UjjZpWw', '{}', 1795610308422612, 1795610308422612, 32503593600000000, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (4, 1714745587293097042, 'empty', 1, '5XbJjO4iL9TL3bbmNO8AeQ', '{}', 1795610308430760, 1795610308430760, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (5, 1714745587293097042, 'large', 1, '665MOZQ7W5rv-Lf67Imtlw', '{}', 1795610308440844, 1795610308440844, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (6, 1714745587293097042, 'lent', 2, 'uhpepNe6_Zo42aK6S5eD2g', '{}', 1795610308443199, 1795610308554885, NULL, NULL, NULL);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (7, 1714745587293097042, 'gone', 1, 'qSAQafIOw16gc0tA6Z773A', '{}', 1795610308448990, 1795610308448990, NULL, 1795610310964661, 1798202310964661);
INSERT INTO public.secrets OVERRIDING SYSTEM VALUE VALUES (9, 1714745587293097042, 'again', 2, 'hr8RmkxIvisSLQcoTSubaQ', '{}', 1795610311011229, 1795610311039310, NULL, NULL, NULL);
INSERT INTO public.sessions VALUES ('8IUuhSfofgrEnnk2cqyuUQ', 1714745587293097042, '2VW8DhOctBehQjUEf6ZAOA', 1795610308030833, 1795610308030833, 1796215108030833, 1798202308030833, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES ('JXrShX4jBXgTH7ngZQZASw', 8940948331832664863, 'i5kDXHOOJTGnYvGMK7wX_g', 1795610308169962, 1795610308169962, 1796215108169962, 1798202308169962, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (1, 'pepper', 1795610307701430, NULL, 'gAAAAABrBtbDbYn453NWbcbkIN22hocFY85lXEBoYhz2kLXb8E1dQ1sxyG2z1ahLhxMcNZcITD5Rlw8drz2tt85pO34GGDLhVrcl_j6Mi5UxMICRPatgE2XJlNt6koiBKWaB1RWeDZ_qV_HcicmKwGokuLaBqcdhRS66OSHUN_HSJVF9yzh-C88=', 'c39093e4592fd4a7');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (2, 'signing', 1795610307701430, 1795610310464848, 'gAAAAABrBtbDGjEdzSUOkJ_g3oYU-s2MDxl62owe3IctpLvn9C6hXKqn0MF3CWFCusj9JxRCqPSt4syJjHcz1EYkWQpsdX8JoeS263m4JxMiT3Tmir2bVQd6nBymdePHQ12FG5zgjNGQXgX3yNmRdNpm54V59Dk6Ff9QNbMzQ2oO_zJTDRXog6pQd-96uDZihEGkOE-dA_o1', 'c39093e4592fd4a7');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (3, 'token', 1795610307701430, NULL, 'gAAAAABrBtbDgdN97NZZhpZyCC6zh8UfrGYprpOfkwWWuT1fpE5haLArOrsr3Sza2QKwT5XLrfIeCROzMoymzDoO8E3HlsM8ICl3GwXATiTsvnE3CGsUcVls9yBO7uGty3a3FTYfqRC8laiy0eRGsuH8XBmYnawogUlU5VdJRh7j9WW5PxccIAc=', 'c39093e4592fd4a7');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (4, 'grant', 1795610307701430, NULL, 'gAAAAABrBtbDnbZrBg4N2WLJP8eF2wjioxJMlrjoNwiTOE2a6F0SGmZjJyhLjTK3G9a2iziMH3VKZFEs2b3iueOzX9I9DTYf2c4qzS9ueFPEakI6RaZRRuaz6fJxlYmaKGWtPOOn9QG87NaHGvdIUvpSSyTHfcxWrnGunjtixxP6k6JLRzWHh9A=', 'c39093e4592fd4a7');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (5, 'audit', 1795610307701430, NULL, 'gAAAAABrBtbDnSSyDwJET9Re4uJ8yNWu_c1dwiAutevCqgx8p5s--rFwaADclxuPrRct7pOscHY-sLDs_80XTT9aUhYDJmeIOz4aQyO4708eHIY7sxni6PIbJ-t7Rd8oxTy7ZVZQNY8GPmP1-DWOsljRsYxyDHHECRcE4l9SRrh1ou5juvgBaW8=', 'c39093e4592fd4a7');
INSERT INTO public.system_keys OVERRIDING SYSTEM VALUE VALUES (6, 'signing', 1795610310464848, NULL, 'gAAAAABrBtbGl4bGQjkBFJ5LbQBlq8ztgRlbvg9uFwgcr-r4wV_NnaYJEh_6PM7pCixZfIsfPpqA4CYk4LckSonwnQwFLu5xkH_WdPNPr9FkRnYZK2Jqy1UmO39q7pKeWnnYU3kBgB2kLE5sTICZIW7PQcgWVfw9yBGQbZUmbrGC1cewBMJt5t4ebArPdk2mUVtW4ZKxpM0a', 'c39093e4592fd4a7');
INSERT INTO public.user_key_material VALUES (4, 'gAAAAABrBtbGJVEbhylJ8bxxyip5YHYdPwKGVK01VMYgjPMB5qtY51Mnnipp04vSFCtCGTqWc9CMYrWVQgzI_jXPzjrubpFWCgLE6rxYEX-SrpKQcWBsrY0j7qVRnEGfSZveQxyVFSg7CHziwkj_0eRmWBOJYx0hr8oJmNEfLceKaXO7bLN6pqOn3_VRz1ZhbFSk0ao_t8Zb', 'c39093e4592fd4a7');
INSERT INTO public.user_key_material VALUES (5, 'gAAAAABrBtbGppnLpZarV3dqI98JECfo_4rIXOlspMnhn_f3vF2WSCMNW3Ws8t7u6EDJ7ZfKwv0TZB9FAnNgUtTRfgIH_O0gbdJnppkKrEx_uioDvQ-KBR_GJ4ymM8Whfa5gkcxdQRWtGzh1XWuYLg6XP6IHJ7nPDxkNhaPvZcZU5nuuXWL9-5Lyta1MIiRJEqyMbTE1UJPQ', 'c39093e4592fd4a7');
INSERT INTO public.user_key_material VALUES (6, 'gAAAAABrBtbH2BGuOJVM5QNqivxX1Gjj_d3EXc3LGtive8fb5wSZ_CZgMBNDxFNr54qyWhpgDVNuzqdipHfAVAe6L1yxV3o1IPTFbv4MsL5uR4P1WKvxUUROk9FGOBnSgBjucpmzPVtyaFFHDk0IbXe54rTTx63NQRLLDlP0HsFycZGOA4QSNgCRoUOJmjggySJ2LB39JDpC', 'c39093e4592fd4a7');
INSERT INTO public.user_key_material VALUES (7, 'gAAAAABrBtbHxYZBd8J5W2NxLcRyPZCtCtYrMAhJpMvT9fRMnxLV43U4hVIGW4kOLneAQQTW0tPU8wfVfVPBEdWqFeukJaAIR8CkTovlM6_ZDh9Pxp3gQwoxUXGNveOZ-O0RnFynjN-NyFNKrFQSsoTsweK2CeGQCAfkiSvGTqjz7UvZfGZBvVNBaZivqb_Bi5C-noFYdrIc', 'c39093e4592fd4a7');
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (1, 'w1wocZG7EtsBxC6XWmTmyw', 1714745587293097042, 'destroyed', 1795610307983964, 1795610310464848, 1795610310464848);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (2, 'IPhVmAc3gkhCvbslYiYwxA', 8940948331832664863, 'destroyed', 1795610308131716, 1795610310464848, 1795610310464848);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (3, 'guRrAttDju6VUe93V08zxg', 7828091199542948414, 'destroyed', 1795610308266009, 1795610308804981, 1795610308804981);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (4, '08Py77We3gO195uLLvegNA', 1714745587293097042, 'retired', 1795610310464848, 1795610311225112, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (5, 'LjFnfAxoY-jXGWIjRfurDw', 8940948331832664863, 'current', 1795610310464848, NULL, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (6, 'Reh0LvWHmSPU_gsN_v0IuQ', 1714745587293097042, 'current', 1795610311225112, NULL, NULL);
INSERT INTO public.user_keys OVERRIDING SYSTEM VALUE VALUES (7, '68nOeFKCKbtDClRO7jeJqw', 1889086013904984883, 'current', 1795610311241484, NULL, NULL);
INSERT INTO public.users VALUES (1714745587293097042, 'alice', 'active', '$2b$04$ECQcezNuW5geczdB22kZG.F.WXUPJFp0KAZ.eHJPKc.B1CtPhaV7u', 0, NULL, 1795610307983964);
INSERT INTO public.users VALUES (1889086013904984883, 'dave', 'active', '$2b$04$2O.GiQ4f.ojdA/zsiPey/uQrNBcoTCAEuvs0PU9E8Whme2HipciTm', 0, 1795696711241484, 1795610311241484);
INSERT INTO public.users VALUES (7828091199542948414, 'carol', 'deleted', NULL, 0, NULL, 1795610308266009);
INSERT INTO public.users VALUES (8940948331832664863, 'bob', 'active', '$2b$04$KE7WW0/kSmygHH9ii7Dp0OLJxpNZHh83brK1reA0sAWhIwS60e7eW', 0, NULL, 1795610308131716);
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
