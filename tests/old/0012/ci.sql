BEGIN TRANSACTION;
CREATE TABLE accounts (
	name VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	password TEXT, 
	subject TEXT, 
	epoch INTEGER NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_seen BIGINT, 
	PRIMARY KEY (name), 
	UNIQUE (subject)
);
CREATE TABLE agents (
	name VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	port INTEGER NOT NULL, 
	slots INTEGER NOT NULL, 
	labels TEXT NOT NULL, 
	version VARCHAR NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	home_id VARCHAR NOT NULL, 
	native BOOLEAN NOT NULL, 
	paused BOOLEAN NOT NULL, 
	first_seen BIGINT NOT NULL, 
	last_seen BIGINT NOT NULL, forgotten BOOLEAN DEFAULT 0 NOT NULL, pause_note TEXT DEFAULT '' NOT NULL, certificate TEXT DEFAULT '' NOT NULL, generation INTEGER DEFAULT '0' NOT NULL, standing VARCHAR DEFAULT 'open' NOT NULL, credential_print VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "agents" VALUES('oak','10.0.0.7',8081,2,'["linux", "gpu"]','0.1.0','boot-oak','home-oak',1,0,1795336200123456,1795336200123456,0,'','',0,'open','');
INSERT INTO "agents" VALUES('elm','10.0.0.7',8082,2,'["linux", "gpu"]','0.1.0','boot-elm','home-elm',1,1,1795336200123456,1795336200123456,0,'its disk is being changed','',0,'open','');
INSERT INTO "agents" VALUES('other','10.0.0.7',9000,2,'[]','','','',0,0,1795336200123456,1795336200123456,0,'','',0,'open','');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0012');
CREATE TABLE api_tokens (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	scope VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	last_used BIGINT, 
	FOREIGN KEY(account) REFERENCES accounts (name), 
	UNIQUE (sha256)
);
CREATE TABLE attempts (
	id VARCHAR NOT NULL, 
	build INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	try_number INTEGER NOT NULL, 
	agent VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	reason VARCHAR, 
	message TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	duration_s FLOAT, 
	exit_code INTEGER, 
	signal INTEGER, 
	log_size BIGINT, log_cut BIGINT, log_sha256 VARCHAR, log_open BOOLEAN DEFAULT 0 NOT NULL, checkout_s FLOAT, secrets TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(build) REFERENCES builds (number), 
	FOREIGN KEY(agent) REFERENCES agents (name)
);
INSERT INTO "attempts" VALUES('1.1.1',1,1,1,'oak','success','exited','',1795336201123456,1795336202123456,2.5,0,NULL,7,NULL,'91ed3aa6809a201e28380ed542954879f19976bdce621e5de295c360283cf2f6',0,0.5,'');
INSERT INTO "attempts" VALUES('2.1.1',2,1,1,'other','failure','exited','',1795336204123456,1795336205123456,2.5,2,NULL,13,NULL,'97f7f00ba56c94a4edb318f6ee1b733218191229979454567038907c39f221fd',0,0.5,'');
INSERT INTO "attempts" VALUES('3.1.1',3,1,1,'oak','error','agent_lost','Agent oak has not answered for 30 s.',1795336207123456,1795336208123456,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'');
INSERT INTO "attempts" VALUES('3.1.2',3,1,2,'elm','error','agent_lost','Agent oak has not answered for 30 s.',1795336209123456,1795336210123456,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'');
INSERT INTO "attempts" VALUES('3.1.3',3,1,3,'oak','error','agent_lost','Agent oak has not answered for 30 s.',1795336211123456,1795336212123456,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'');
INSERT INTO "attempts" VALUES('4.1.1',4,1,1,'oak','error','agent_lost','Agent oak has not answered for 30 s.',1795336214123456,1795336215123456,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'');
INSERT INTO "attempts" VALUES('4.1.2',4,1,2,'elm','success','exited','',1795336216123456,1795336217123456,2.5,0,NULL,5,NULL,'5d5766cf2d78701614200418ee1450690d9af12c84d52545e4802f001ad53099',0,0.5,'');
INSERT INTO "attempts" VALUES('6.1.1',6,1,1,'elm','canceled','canceled','Somebody canceled it.',1795336221123456,1795336222123456,1.0,NULL,NULL,NULL,NULL,NULL,1,NULL,'');
INSERT INTO "attempts" VALUES('7.1.1',7,1,1,'oak','error','timeout','It took longer than 7200 s.',1795336224123456,1795336225123456,NULL,NULL,NULL,4,2,'5e0cf7bd1dfa3831788b0cf6dedcdd228fba6f34dc238d371e746567e80bc7b6',0,NULL,'');
INSERT INTO "attempts" VALUES('8.1.1',8,1,1,'oak','running',NULL,'',1795336227123456,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,'');
INSERT INTO "attempts" VALUES('9.1.1',9,1,1,'elm','error','agent_lost','Agent oak has not answered for 30 s.',1795336229123456,1795336230123456,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'');
CREATE TABLE audit_log (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	who VARCHAR NOT NULL, 
	address VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	detail TEXT NOT NULL
);
CREATE TABLE builds (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	repository VARCHAR NOT NULL, 
	repository_url VARCHAR NOT NULL, 
	"commit" VARCHAR NOT NULL, 
	command TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	status VARCHAR NOT NULL, 
	reason VARCHAR, 
	message TEXT NOT NULL, 
	commit_hash VARCHAR, 
	subject TEXT, 
	author VARCHAR, 
	branch VARCHAR, 
	created_at BIGINT NOT NULL, 
	started_at BIGINT, 
	finished_at BIGINT, 
	duration_s FLOAT, 
	agent VARCHAR, 
	exit_code INTEGER, 
	log_size BIGINT
, labels TEXT DEFAULT '' NOT NULL, asked_by VARCHAR DEFAULT '' NOT NULL);
INSERT INTO "builds" VALUES(1,'demo','/srv/git/demo','main','make good',0,'success','exited','','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336200123456,1795336201123456,1795336202123456,2.5,'oak',0,7,'','');
INSERT INTO "builds" VALUES(2,'demo','/srv/git/demo','main','make bad',5,'failure','exited','','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336203123456,1795336204123456,1795336205123456,2.5,'other',2,13,'','');
INSERT INTO "builds" VALUES(3,'demo','/srv/git/demo','main','make three agents mad',0,'error','agent_lost','Three attempts were lost (agents oak, elm, oak). The last one: Agent oak has not answered for 30 s.','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336206123456,1795336211123456,1795336212123456,NULL,'oak',NULL,NULL,'gpu
linux','');
INSERT INTO "builds" VALUES(4,'demo','/srv/git/demo','main','make again',0,'success','exited','','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336213123456,1795336216123456,1795336217123456,2.5,'elm',0,5,'','');
INSERT INTO "builds" VALUES(5,'demo','/srv/git/demo','main','make nothing',0,'canceled','canceled','Somebody canceled it.',NULL,NULL,NULL,NULL,1795336218123456,NULL,1795336219123456,NULL,NULL,NULL,NULL,'','');
INSERT INTO "builds" VALUES(6,'demo','/srv/git/demo','main','make nothing more',0,'canceled','canceled','Somebody canceled it.','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336220123456,1795336221123456,1795336222123456,1.0,'elm',NULL,NULL,'','');
INSERT INTO "builds" VALUES(7,'demo','/srv/git/demo','main','make it last',-3,'error','timeout','It took longer than 7200 s.','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336223123456,1795336224123456,1795336225123456,NULL,'oak',NULL,4,'','');
INSERT INTO "builds" VALUES(8,'demo','/srv/git/demo','main','make it run',0,'running',NULL,'','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336226123456,1795336227123456,NULL,NULL,'oak',NULL,NULL,'','');
INSERT INTO "builds" VALUES(9,'demo','/srv/git/demo','main','make it wait again',0,'waiting',NULL,'Agent oak has not answered for 30 s.','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','Fix the ünïcode','Ada <ada@example.org>','main',1795336228123456,NULL,NULL,NULL,NULL,NULL,NULL,'','');
INSERT INTO "builds" VALUES(10,'demo','/srv/git/demo','main','make it wait',0,'waiting',NULL,'',NULL,NULL,NULL,NULL,1795336231123456,NULL,NULL,NULL,NULL,NULL,NULL,'linux','');
CREATE TABLE ended_sessions (
	id VARCHAR NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE external_builds (
	id VARCHAR NOT NULL, 
	build INTEGER NOT NULL, 
	configuration VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	message TEXT NOT NULL, 
	branch VARCHAR NOT NULL, 
	author VARCHAR NOT NULL, 
	phase VARCHAR NOT NULL, 
	start BIGINT, 
	note TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (build), 
	FOREIGN KEY(build) REFERENCES builds (number)
);
INSERT INTO "external_builds" VALUES('00000000-0000-4000-8000-000000000001',1,'conf',1,'Fix the ünïcode','main','Ada <ada@example.org>','over',1795336200123456,'');
INSERT INTO "external_builds" VALUES('00000000-0000-4000-8000-000000000002',10,'conf',2,'Fix the ünïcode','main','Ada <ada@example.org>','taken',NULL,'');
CREATE TABLE health (
	id INTEGER NOT NULL, 
	checked_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "health" VALUES(1,1795336232123456);
CREATE TABLE jobs (
	build INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	tries INTEGER NOT NULL, labels TEXT DEFAULT '' NOT NULL, held BOOLEAN DEFAULT '0' NOT NULL, 
	PRIMARY KEY (build, job), 
	FOREIGN KEY(build) REFERENCES builds (number)
);
INSERT INTO "jobs" VALUES(1,1,'build','success',0,1,'',0);
INSERT INTO "jobs" VALUES(2,1,'build','failure',5,1,'',0);
INSERT INTO "jobs" VALUES(3,1,'build','error',0,3,'gpu
linux',0);
INSERT INTO "jobs" VALUES(4,1,'build','success',0,2,'',0);
INSERT INTO "jobs" VALUES(5,1,'build','canceled',0,0,'',0);
INSERT INTO "jobs" VALUES(6,1,'build','canceled',0,1,'',0);
INSERT INTO "jobs" VALUES(7,1,'build','error',-3,1,'',0);
INSERT INTO "jobs" VALUES(8,1,'build','running',0,1,'',0);
INSERT INTO "jobs" VALUES(9,1,'build','waiting',0,1,'',0);
INSERT INTO "jobs" VALUES(10,1,'build','waiting',0,0,'linux',1);
CREATE TABLE secrets (
	repository VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	branches TEXT NOT NULL, 
	commands TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	set_at BIGINT NOT NULL, 
	set_by VARCHAR NOT NULL, 
	last_used BIGINT, 
	PRIMARY KEY (repository, name)
);
CREATE TABLE tallies (
	repository VARCHAR NOT NULL, 
	repository_url VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	builds INTEGER NOT NULL, 
	PRIMARY KEY (repository, repository_url, status)
);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','waiting',2);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','running',1);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','success',2);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','failure',1);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','error',2);
INSERT INTO "tallies" VALUES('demo','/srv/git/demo','canceled',2);
CREATE TABLE trusted_agents (
	agent VARCHAR NOT NULL, 
	generation INTEGER NOT NULL, 
	PRIMARY KEY (agent), 
	FOREIGN KEY(agent) REFERENCES agents (name)
);
CREATE INDEX builds_by_status ON builds (status, number);
CREATE INDEX builds_by_repository ON builds (repository, number);
CREATE INDEX attempts_by_build ON attempts (build, job, try_number);
CREATE INDEX builds_by_branch ON builds (repository, branch, number);
CREATE INDEX builds_green ON builds (repository, substr(command, 1, 200), number) WHERE status = 'success';
CREATE INDEX attempts_by_agent ON attempts (agent, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX attempts_open ON attempts (agent) WHERE log_open IS 1;
CREATE INDEX builds_by_repository_and_status ON builds (repository, status, number);
CREATE INDEX builds_by_branch_and_status ON builds (repository, branch, status, number) WHERE branch IS NOT NULL;
CREATE INDEX builds_by_agent ON builds (agent, status, number) WHERE agent IS NOT NULL;
CREATE INDEX builds_green_by_branch ON builds (repository, branch, substr(command, 1, 200), number) WHERE status = 'success';
CREATE TRIGGER builds_count_new AFTER INSERT ON builds BEGIN 
    INSERT INTO tallies VALUES (new.repository, new.repository_url, new.status, 1)
    ON CONFLICT (repository, repository_url, status) DO UPDATE SET builds = builds + 1;
 END;
CREATE TRIGGER builds_count_gone AFTER DELETE ON builds BEGIN 
    UPDATE tallies SET builds = builds - 1
    WHERE repository = old.repository AND repository_url = old.repository_url
    AND status = old.status;
 END;
CREATE TRIGGER builds_count_changed AFTER UPDATE OF status, repository, repository_url ON builds BEGIN 
    UPDATE tallies SET builds = builds - 1
    WHERE repository = old.repository AND repository_url = old.repository_url
    AND status = old.status;
 
    INSERT INTO tallies VALUES (new.repository, new.repository_url, new.status, 1)
    ON CONFLICT (repository, repository_url, status) DO UPDATE SET builds = builds + 1;
 END;
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE INDEX external_unreported ON external_builds (build) WHERE phase != 'over';
CREATE INDEX jobs_waiting ON jobs (held, labels, priority DESC, build, job) WHERE status = 'waiting';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('builds',11);
COMMIT;
