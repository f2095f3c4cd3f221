BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('0014');
CREATE TABLE events (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	at DATETIME NOT NULL, 
	kind VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT fk_events_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
INSERT INTO "events" VALUES(1,1,4,'2026-11-30 12:19:24.228168','candidate_undecided','{"number": 4, "accuracies": [0.8964217633995648, 0.898888643825624], "bound": 0.8896230393125341, "interval": [0.883265024812724, 0.9120453824124649], "probability": 0.8426683013746791, "difference": -0.002128946905693707, "difference_low": -0.0201129990136562, "difference_high": 0.015951614397805024, "pairs": 1, "shared_noise": 0.3230891478803638}');
CREATE TABLE measurements (
	trial_id INTEGER NOT NULL, 
	ordinal INTEGER NOT NULL, 
	epoch DOUBLE, 
	step INTEGER, 
	progress DOUBLE, 
	elapsed_seconds DOUBLE, 
	learning_rate DOUBLE, 
	train_loss DOUBLE, 
	val_accuracy DOUBLE, 
	score DOUBLE, 
	val_loss DOUBLE, 
	CONSTRAINT pk_measurements PRIMARY KEY (trial_id, ordinal), 
	CONSTRAINT fk_measurements_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
INSERT INTO "measurements" VALUES(1,0,1.0,2,0.2,6.42521299596410244703e-03,8.00000000000000155431e-02,4.95077021017389706791e-01,5.04922978982610293208e-01,NULL,4.95077021017389706791e-01);
INSERT INTO "measurements" VALUES(1,1,2.0,4,0.4,1.32750099946861155331e-02,0.06,2.68200501912151723082e-01,7.31799498087848276917e-01,NULL,2.68200501912151723082e-01);
INSERT INTO "measurements" VALUES(1,2,3.0,6,0.6,1.94506699990597553551e-02,4.00000000000000077715e-02,1.66258310600074232787e-01,8.33741689399925767212e-01,NULL,1.66258310600074232787e-01);
INSERT INTO "measurements" VALUES(1,3,4.0,8,0.8,2.56625849942793138325e-02,1.99999999999999969468e-02,1.20452731377978738969e-01,8.7954726862202126103e-01,NULL,1.20452731377978738969e-01);
INSERT INTO "measurements" VALUES(1,4,5.0,10,1.0,0.0377220899972599,0.0,0.0998709579153253,9.00129042084674702017e-01,NULL,0.0998709579153253);
INSERT INTO "measurements" VALUES(2,0,1.0,2,0.2,0.00833915999828605,8.00000000000000155431e-02,4.95644700572514307346e-01,5.04355299427485692653e-01,NULL,4.95644700572514307346e-01);
INSERT INTO "measurements" VALUES(2,1,2.0,4,0.4,1.45270590001018717885e-02,0.06,2.6902325633373114222e-01,7.30976743666268857779e-01,NULL,2.6902325633373114222e-01);
INSERT INTO "measurements" VALUES(2,2,3.0,6,0.6,2.43576770008075982332e-02,4.00000000000000077715e-02,1.67195677547169907484e-01,8.32804322452830092515e-01,NULL,1.67195677547169907484e-01);
INSERT INTO "measurements" VALUES(2,3,4.0,8,0.8,3.05383550003170967102e-02,1.99999999999999969468e-02,1.21441597052439620441e-01,8.78558402947560379558e-01,NULL,1.21441597052439620441e-01);
INSERT INTO "measurements" VALUES(2,4,5.0,10,1.0,3.7413609999930486083e-02,0.0,1.00882963459606567191e-01,8.99117036540393432808e-01,NULL,1.00882963459606567191e-01);
INSERT INTO "measurements" VALUES(4,0,1.0,2,0.2,8.27449400094337761402e-03,8.00000000000000155431e-02,4.96948208562946858179e-01,5.0305179143705314182e-01,NULL,4.96948208562946858179e-01);
INSERT INTO "measurements" VALUES(4,1,2.0,4,0.4,1.44628030029707588255e-02,0.06,2.70912468219223101506e-01,7.29087531780776898493e-01,NULL,2.70912468219223101506e-01);
INSERT INTO "measurements" VALUES(4,2,3.0,6,0.6,2.22523630000068806111e-02,4.00000000000000077715e-02,1.69348063157108486009e-01,8.3065193684289151399e-01,NULL,1.69348063157108486009e-01);
INSERT INTO "measurements" VALUES(4,3,4.0,8,0.8,3.23059840011410415172e-02,1.99999999999999969468e-02,1.23712234239366614119e-01,8.7628776576063338588e-01,NULL,1.23712234239366614119e-01);
INSERT INTO "measurements" VALUES(4,4,5.0,10,1.0,3.84917089977534487843e-02,0.0,1.03206734505127073475e-01,8.96793265494872926524e-01,NULL,1.03206734505127073475e-01);
INSERT INTO "measurements" VALUES(5,0,1.0,2,0.2,6.15747299889335408806e-03,8.00000000000000155431e-02,4.97156600844376739267e-01,5.02843399155623260732e-01,NULL,4.97156600844376739267e-01);
INSERT INTO "measurements" VALUES(5,1,2.0,4,0.4,1.62210589987807907164e-02,0.06,2.7121449718859791389e-01,7.28785502811402086109e-01,NULL,2.7121449718859791389e-01);
INSERT INTO "measurements" VALUES(5,2,3.0,6,0.6,2.23810759998741559684e-02,4.00000000000000077715e-02,1.69692165802480920966e-01,8.30307834197519079033e-01,NULL,1.69692165802480920966e-01);
INSERT INTO "measurements" VALUES(5,3,4.0,8,0.8,3.22456939975381828844e-02,1.99999999999999969468e-02,1.24075241805991720589e-01,8.7592475819400827941e-01,NULL,1.24075241805991720589e-01);
INSERT INTO "measurements" VALUES(5,4,5.0,10,1.0,3.84310389999882318079e-02,0.0,1.0357823660043519176e-01,8.96421763399564808239e-01,NULL,1.0357823660043519176e-01);
INSERT INTO "measurements" VALUES(6,0,1.0,2,0.2,8.14956700196489691734e-03,8.00000000000000155431e-02,4.95772816347617273358e-01,5.04227183652382726641e-01,NULL,4.95772816347617273358e-01);
INSERT INTO "measurements" VALUES(6,1,2.0,4,0.4,1.43282830031239427626e-02,0.06,2.69208938237348038846e-01,0.730791061762652,NULL,2.69208938237348038846e-01);
INSERT INTO "measurements" VALUES(6,2,3.0,6,0.6,2.11060720030218362808e-02,4.00000000000000077715e-02,1.67407225579680352112e-01,8.32592774420319647887e-01,NULL,1.67407225579680352112e-01);
INSERT INTO "measurements" VALUES(6,3,4.0,8,0.8,2.72715470055118203163e-02,1.99999999999999969468e-02,1.21664767485851421646e-01,8.78335232514148578353e-01,NULL,1.21664767485851421646e-01);
INSERT INTO "measurements" VALUES(6,4,5.0,10,1.0,3.40447700000368058681e-02,0.0,1.01111356174376054717e-01,0.898888643825624,NULL,1.01111356174376054717e-01);
CREATE TABLE models (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	network VARCHAR NOT NULL, 
	depth DOUBLE NOT NULL, 
	width DOUBLE NOT NULL, 
	resolution DOUBLE NOT NULL, 
	dataset VARCHAR NOT NULL, 
	image_size INTEGER, 
	hyperparameters JSON, 
	recipe VARCHAR NOT NULL, 
	ingredients JSON, 
	architecture JSON, 
	macs BIGINT NOT NULL, 
	parameters BIGINT NOT NULL, 
	latency_ms DOUBLE, 
	val_accuracy DOUBLE NOT NULL, 
	trainings INTEGER, 
	accuracy_low DOUBLE, 
	accuracy_high DOUBLE, 
	probability DOUBLE, 
	difference DOUBLE, 
	difference_low DOUBLE, 
	difference_high DOUBLE, 
	pairs INTEGER, 
	shared_noise DOUBLE, 
	status VARCHAR NOT NULL, 
	study_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT uq_models_name_study_id UNIQUE (name, study_id), 
	CONSTRAINT ck_models_status CHECK (status IN ('provisional', 'confirmed')), 
	CONSTRAINT fk_models_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT fk_models_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	study VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	options JSON NOT NULL, 
	state VARCHAR NOT NULL, 
	pid INTEGER, 
	message VARCHAR, 
	queued_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, 
	CONSTRAINT pk_requests PRIMARY KEY (id), 
	CONSTRAINT uq_requests_study UNIQUE (study), 
	CONSTRAINT ck_requests_state CHECK (state IN ('queued', 'running', 'ended'))
);
INSERT INTO "requests" VALUES(1,'nomad','nas','senet18','{"data": "fake:sleep=0.03", "budget": "10steps", "trials": 24, "tolerance": 0.01, "slots": 2, "replicates": 2, "confirm": 2, "audit": 1.0, "device": "cpu"}','ended',NULL,NULL,'2026-11-30 12:19:20.863060',NULL,NULL);
CREATE TABLE studies (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	question JSON NOT NULL, 
	minimise VARCHAR, 
	maximise VARCHAR, 
	budget_trials INTEGER NOT NULL, 
	budget_slot_hours DOUBLE, 
	slots INTEGER, 
	state VARCHAR NOT NULL, 
	message VARCHAR, 
	min_accuracy DOUBLE, 
	baseline_accuracy DOUBLE, 
	baseline_std DOUBLE, 
	baseline_replicates INTEGER, 
	versions JSON NOT NULL, 
	git_commit VARCHAR, 
	created_at DATETIME NOT NULL, 
	begun_at DATETIME, 
	run_token VARCHAR, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_studies PRIMARY KEY (id), 
	CONSTRAINT ck_studies_kind CHECK (kind IN ('nas', 'hpo', 'evaluation')), 
	CONSTRAINT ck_studies_state CHECK (state IN ('running', 'finished', 'stopped', 'failed')), 
	CONSTRAINT uq_studies_name UNIQUE (name)
);
INSERT INTO "studies" VALUES(1,'nomad','nas','{"subject": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "training": {"network": "senet18", "dataset": "fake", "train_images": 5000, "validation_images": 1000, "budget": {"steps": 10}, "seed": 0, "recipe": "nomad_haet", "hyperparameters": {}, "image_size": null, "clock": "train", "precision": "auto", "device": "cpu", "pool_images": 50000, "fingerprint": "fake-1"}, "space": [{"kind": "real", "name": "depth", "low": 0.5, "high": 1.5, "log": false, "granularity": 0.125}, {"kind": "real", "name": "width", "low": 0.25, "high": 1.25, "log": false, "granularity": 0.015625}, {"kind": "real", "name": "resolution", "low": 0.5, "high": 1.5, "log": false, "granularity": 0.125}], "solver": {"name": "nomad", "block": 2, "versions": {"PyNomadBBO": "4.6.0", "numpy": "2.4.6", "scipy": "1.17.1"}}, "trainer": "python tests/fake_trainer.py", "early_stop": {"level": 0.05, "audit": 1.0}, "baseline": {"replicates": 2, "min_accuracy": null, "tolerance": 0.01}, "confirmation": {"most": 2, "level": 0.95, "version": 2}}','macs',NULL,24,NULL,2,'running',NULL,8.89623039312534058531e-01,8.99623039312534067413e-01,7.15595982959668381467e-04,2,'{"nomad-nas": "0.1.0", "torch": "2.14.1", "torchvision": "0.29.1", "PyNomadBBO": "4.6.0", "optuna": "5.0.0", "sqlalchemy": "2.1.9", "numpy": "2.4.6"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:20.835419','2026-11-30 12:19:20.833440','b1d96f5553c14e9ab6f47a0bc993840e','2026-11-30 12:19:21.243633');
CREATE TABLE trials (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	purpose VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	reason VARCHAR, 
	message VARCHAR, 
	point JSON, 
	network_key VARCHAR, 
	replicate INTEGER NOT NULL, 
	of_trial_number INTEGER, 
	config JSON, 
	model VARCHAR, 
	recipe VARCHAR, 
	depth DOUBLE, 
	width DOUBLE, 
	resolution DOUBLE, 
	optimizer VARCHAR, 
	learning_rate DOUBLE, 
	weight_decay DOUBLE, 
	batch_size INTEGER, 
	macs BIGINT, 
	parameters BIGINT, 
	latency_ms DOUBLE, 
	latency_iqr_ms DOUBLE, 
	channels JSON, 
	blocks JSON, 
	resolution_pixels INTEGER, 
	val_accuracy DOUBLE, 
	score DOUBLE, 
	val_balanced_accuracy DOUBLE, 
	val_macro_f1 DOUBLE, 
	val_top5_accuracy DOUBLE, 
	val_class_accuracies JSON, 
	val_loss DOUBLE, 
	test_accuracy DOUBLE, 
	test_accuracy_1000 DOUBLE, 
	test_loss DOUBLE, 
	epochs DOUBLE, 
	steps INTEGER, 
	total_steps INTEGER, 
	replans INTEGER, 
	train_seconds DOUBLE, 
	overshoot_seconds DOUBLE, 
	wall_seconds DOUBLE, 
	images_per_second DOUBLE, 
	peak_memory_bytes BIGINT, 
	objective DOUBLE, 
	other_objectives JSON, 
	constraints JSON, 
	verdict VARCHAR, 
	probability DOUBLE, 
	difference DOUBLE, 
	difference_low DOUBLE, 
	difference_high DOUBLE, 
	pairs INTEGER, 
	shared_noise DOUBLE, 
	audited INTEGER, 
	stop_progress DOUBLE, 
	predicted_accuracy DOUBLE, 
	stop_bound DOUBLE, 
	seed BIGINT, 
	subset_seed BIGINT, 
	budget_seconds DOUBLE, 
	budget_steps INTEGER, 
	attempts INTEGER NOT NULL, 
	slot_seconds DOUBLE, 
	energy_joules DOUBLE, 
	folder VARCHAR, 
	exit_code INTEGER, 
	host VARCHAR, 
	slot VARCHAR, 
	device VARCHAR, 
	device_name VARCHAR, 
	driver VARCHAR, 
	versions JSON, 
	git_commit VARCHAR, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	CONSTRAINT pk_trials PRIMARY KEY (id), 
	CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT ck_trials_purpose CHECK (purpose IN ('baseline', 'search', 'confirmation', 'evaluation')), 
	CONSTRAINT ck_trials_state CHECK (state IN ('running', 'completed', 'failed', 'pruned', 'screened', 'duplicate')), 
	CONSTRAINT fk_trials_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
);
INSERT INTO "trials" VALUES(1,1,1,'baseline','completed',NULL,NULL,'{"depth": 1.0, "width": 1.0, "resolution": 1.0}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,NULL,NULL,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.00129042084674702017e-01,NULL,NULL,NULL,NULL,NULL,0.0998709579153253,NULL,NULL,NULL,5.0,10,10,0,3.77936869990662671625e-02,0.0,3.77936869990662671625e-02,3.38680901927251470613e+04,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,10,1,2.2463003099983325228e-01,NULL,'/records/nomad/00001',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:20.918063','2026-11-30 12:19:20.918069','2026-11-30 12:19:21.172227');
INSERT INTO "trials" VALUES(2,1,2,'baseline','completed',NULL,NULL,'{"depth": 1.0, "width": 1.0, "resolution": 1.0}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":1,"subset":{"seed":1,"train":5000,"validation":1000}}',1,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 1}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 1, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,NULL,NULL,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.99117036540393432808e-01,NULL,NULL,NULL,NULL,NULL,1.00882963459606567191e-01,NULL,NULL,NULL,5.0,10,10,0,3.74731179981608875095e-02,0.0,3.74731179981608875095e-02,3.41578194817634357596e+04,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,10,1,2.23196920000191312283e-01,NULL,'/records/nomad/00002',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:20.947311','2026-11-30 12:19:20.947315','2026-11-30 12:19:21.223157');
INSERT INTO "trials" VALUES(3,1,3,'search','duplicate',NULL,NULL,'{"depth": 1.0, "width": 1.0, "resolution": 1.0}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,1,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,NULL,NULL,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,603979776.0,NULL,'[-0.010000000000000009]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,10,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 12:19:23.013987',NULL,'2026-11-30 12:19:23.013993');
INSERT INTO "trials" VALUES(4,1,4,'search','completed',NULL,NULL,'{"depth": 1.25, "width": 1.078125, "resolution": 0.5}','{"blocks":[3,3,2,2],"channels":[72,136,280,552],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":16,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.25, "width": 1.078125, "resolution": 0.5}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.25,1.078125,0.5,NULL,NULL,NULL,NULL,224621568,15070464,NULL,NULL,'[72, 136, 280, 552]','[3, 3, 2, 2]',16,8.96793265494872926524e-01,NULL,NULL,NULL,NULL,NULL,1.03206734505127073475e-01,NULL,NULL,NULL,5.0,10,10,0,0.038560282002436,0.0,0.038560282002436,3.31947779821511066984e+04,NULL,224621568.0,NULL,'[0.007318834041285775]','undecided',8.42668301374679074022e-01,-2.12894690569370714783e-03,-0.0201129990136562,1.59516143978050244089e-02,1,3.23089147880363802833e-01,1,NULL,NULL,NULL,0,0,NULL,10,1,2.00164783003856427967e-01,NULL,'/records/nomad/00004',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:23.027660','2026-11-30 12:19:23.027665','2026-11-30 12:19:23.261668');
INSERT INTO "trials" VALUES(5,1,5,'confirmation','completed',NULL,NULL,'{"depth": 1.25, "width": 1.078125, "resolution": 0.5}','{"blocks":[3,3,2,2],"channels":[72,136,280,552],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":16,"seed":1,"subset":{"seed":1,"train":5000,"validation":1000}}',1,4,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.25, "width": 1.078125, "resolution": 0.5}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 1}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 1, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.25,1.078125,0.5,NULL,NULL,NULL,NULL,224621568,15070464,NULL,NULL,'[72, 136, 280, 552]','[3, 3, 2, 2]',16,8.96421763399564808239e-01,NULL,NULL,NULL,NULL,NULL,1.0357823660043519176e-01,NULL,NULL,NULL,5.0,10,10,0,3.84844889995292760431e-02,0.0,3.84844889995292760431e-02,3.32601532013496762382e+04,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,1,NULL,10,1,1.94768956993357278406e-01,NULL,'/records/nomad/00005',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:23.275980','2026-11-30 12:19:23.275985','2026-11-30 12:19:23.488307');
INSERT INTO "trials" VALUES(6,1,6,'confirmation','completed',NULL,NULL,'{"depth": 1.25, "width": 1.078125, "resolution": 0.5}','{"blocks":[3,3,2,2],"channels":[72,136,280,552],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":16,"seed":2,"subset":{"seed":2,"train":5000,"validation":1000}}',2,4,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.25, "width": 1.078125, "resolution": 0.5}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 2}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 2, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.25,1.078125,0.5,NULL,NULL,NULL,NULL,224621568,15070464,NULL,NULL,'[72, 136, 280, 552]','[3, 3, 2, 2]',16,0.898888643825624,NULL,NULL,NULL,NULL,NULL,1.01111356174376054717e-01,NULL,NULL,NULL,5.0,10,10,0,0.0340999420004664,0.0,0.0340999420004664,3.75367207364309579133e+04,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,2,NULL,10,1,2.78839258004154544323e-01,NULL,'/records/nomad/00006',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','c1d78b288485efca6f01056502799465d7a69d00','2026-11-30 12:19:23.291246','2026-11-30 12:19:23.291250','2026-11-30 12:19:23.574858');
INSERT INTO "trials" VALUES(7,1,7,'search','screened',NULL,'not smaller than the base: 1438.16 M MACs','{"depth": 1.0, "width": 1.21875, "resolution": 1.25}','{"blocks":[2,2,2,2],"channels":[80,160,312,624],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":40,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.21875, "resolution": 1.25}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.0,1.21875,1.25,NULL,NULL,NULL,NULL,1438156800,18673920,NULL,NULL,'[80, 160, 312, 624]','[2, 2, 2, 2]',40,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1438156800.0,NULL,'[0.0]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,10,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 12:19:24.261792',NULL,'2026-11-30 12:19:24.261798');
INSERT INTO "trials" VALUES(8,1,8,'search','screened',NULL,'not smaller than the base: 1128.56 M MACs','{"depth": 1.0, "width": 1.203125, "resolution": 1.125}','{"blocks":[2,2,2,2],"channels":[80,152,312,616],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":36,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.203125, "resolution": 1.125}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','senet18','nomad_haet',1.0,1.203125,1.125,NULL,NULL,NULL,NULL,1128561984,18226944,NULL,NULL,'[80, 152, 312, 616]','[2, 2, 2, 2]',36,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1128561984.0,NULL,'[0.0]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,10,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 12:19:24.270665',NULL,'2026-11-30 12:19:24.270671');
CREATE INDEX ix_trials_reason ON trials (reason);
CREATE INDEX ix_trials_network_key ON trials (network_key);
CREATE INDEX ix_events_study_id ON events (study_id);
CREATE VIEW completed_trials AS
SELECT
    studies.name AS study, studies.kind, trials.number AS trial, trials.purpose, trials.replicate,
    trials.model, trials.recipe, trials.depth, trials.width, trials.resolution, trials.resolution_pixels,
    trials.macs, CAST(trials.macs AS DOUBLE PRECISION) / 1000000 AS macs_millions, trials.parameters,
    trials.latency_ms,
    trials.optimizer, trials.learning_rate, trials.weight_decay, trials.batch_size,
    trials.val_accuracy, trials.val_accuracy * 100 AS val_accuracy_percent, trials.val_loss,
    trials.score, trials.val_balanced_accuracy, trials.val_macro_f1, trials.val_top5_accuracy,
    trials.test_accuracy, trials.test_accuracy_1000, trials.test_loss,
    trained.mean_accuracy, trained.trainings, trained.confirmations,
    studies.minimise, studies.maximise, studies.min_accuracy, trials.verdict, trials.probability,
    trials.difference, trials.difference_low, trials.difference_high, trials.pairs,
    CASE WHEN trials.purpose = 'search' AND (
        trials.energy_joules > json_extract(studies.question, '$.aim.limits.energy') OR trials.energy_joules IS NULL AND json_extract(studies.question, '$.aim.limits.energy') IS NOT NULL
        OR studies.minimise = 'energy' AND (trials.energy_joules IS NULL OR trials.energy_joules >= (
            SELECT base.energy_joules FROM trials AS base
            WHERE base.study_id = studies.id AND base.purpose = 'baseline' AND base.replicate = 0))) THEN 0
         WHEN trials.verdict = 'confirmed' THEN 1
         WHEN trials.verdict = 'rejected' THEN 0
         WHEN trained.mean_accuracy >= studies.min_accuracy THEN 1
         WHEN trained.mean_accuracy < studies.min_accuracy THEN 0 END AS feasible,
    trials.epochs, trials.steps, trials.train_seconds, trials.overshoot_seconds, trials.wall_seconds,
    trials.slot_seconds, trials.energy_joules, trials.images_per_second, trials.peak_memory_bytes,
    trials.seed, trials.subset_seed,
    trials.host, trials.device, trials.device_name, trials.driver, trials.git_commit, trials.folder,
    trials.started_at, trials.finished_at
FROM trials
JOIN studies ON studies.id = trials.study_id
JOIN (
    SELECT first.id, COALESCE(again.mean_accuracy, first.score, first.val_accuracy) AS mean_accuracy,
        COALESCE(again.trainings, 1) AS trainings, COALESCE(again.trainings, 0) AS confirmations
    FROM trials AS first LEFT JOIN (
        SELECT study_id, of_trial_number, AVG(COALESCE(COALESCE(score, val_accuracy), 0)) AS mean_accuracy,
            COUNT(*) AS trainings
        FROM trials WHERE purpose = 'confirmation' AND state IN ('completed', 'failed')
        GROUP BY study_id, of_trial_number
    ) AS again ON again.study_id = first.study_id AND again.of_trial_number = first.number
) AS trained ON trained.id = trials.id
WHERE trials.state = 'completed';
CREATE VIEW best_trials AS
SELECT study, kind, trial, purpose, replicate, model, recipe, depth, width, resolution, resolution_pixels, macs, macs_millions, parameters, latency_ms, optimizer, learning_rate, weight_decay, batch_size, val_accuracy, val_accuracy_percent, val_loss, score, val_balanced_accuracy, val_macro_f1, val_top5_accuracy, test_accuracy, test_accuracy_1000, test_loss, mean_accuracy, trainings, confirmations, minimise, maximise, min_accuracy, verdict, probability, difference, difference_low, difference_high, pairs, feasible, epochs, steps, train_seconds, overshoot_seconds, wall_seconds, slot_seconds, energy_joules, images_per_second, peak_memory_bytes, seed, subset_seed, host, device, device_name, driver, git_commit, folder, started_at, finished_at FROM (
    SELECT completed_trials.*, ROW_NUMBER() OVER (
        PARTITION BY study
        ORDER BY CASE WHEN minimise IS NULL OR verdict = 'confirmed' THEN 0
                WHEN verdict = 'undecided' THEN 1 - probability ELSE 1 END,
            CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms WHEN 'energy' THEN energy_joules END, CASE WHEN minimise IS NULL THEN -confirmations END,
            CASE WHEN minimise IS NULL THEN -mean_accuracy END, trial
    ) AS place
    FROM completed_trials
    WHERE purpose = 'search' AND val_accuracy IS NOT NULL
      AND ((minimise IS NULL AND maximise IS NOT NULL AND COALESCE(feasible, 1) = 1)
        OR (minimise IS NOT NULL AND maximise IS NULL AND feasible = 1 AND CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms WHEN 'energy' THEN energy_joules END IS NOT NULL))
) AS ranked
WHERE place = 1;
CREATE VIEW front AS
SELECT study, kind, trial, purpose, replicate, model, recipe, depth, width, resolution, resolution_pixels, macs, macs_millions, parameters, latency_ms, optimizer, learning_rate, weight_decay, batch_size, val_accuracy, val_accuracy_percent, val_loss, score, val_balanced_accuracy, val_macro_f1, val_top5_accuracy, test_accuracy, test_accuracy_1000, test_loss, mean_accuracy, trainings, confirmations, minimise, maximise, min_accuracy, verdict, probability, difference, difference_low, difference_high, pairs, feasible, epochs, steps, train_seconds, overshoot_seconds, wall_seconds, slot_seconds, energy_joules, images_per_second, peak_memory_bytes, seed, subset_seed, host, device, device_name, driver, git_commit, folder, started_at, finished_at FROM (
    SELECT completed_trials.*, MAX(mean_accuracy) OVER (
        PARTITION BY study ORDER BY CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms WHEN 'energy' THEN energy_joules END, mean_accuracy DESC, trial
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS of_smaller
    FROM completed_trials
    WHERE purpose = 'search' AND minimise IS NOT NULL AND maximise IS NOT NULL
      AND mean_accuracy IS NOT NULL AND (feasible IS NULL OR feasible = 1)
) AS ranked
WHERE of_smaller IS NULL OR mean_accuracy > of_smaller;
CREATE VIEW learning_curves AS
SELECT
    studies.name AS study, studies.kind, trials.number AS trial, trials.purpose, trials.state, trials.model,
    measurements.ordinal, measurements.epoch, measurements.step, measurements.progress,
    measurements.elapsed_seconds, measurements.learning_rate, measurements.train_loss,
    measurements.val_accuracy, measurements.score, measurements.val_loss
FROM measurements
JOIN trials ON trials.id = measurements.trial_id
JOIN studies ON studies.id = trials.study_id;
CREATE VIEW early_stops AS
SELECT counted.*, CAST(false_stops AS DOUBLE PRECISION) / NULLIF(would_stop, 0) AS false_stop_rate
FROM (
    SELECT
        studies.name AS study,
        studies.kind,
        SUM(CASE WHEN trials.state = 'pruned' THEN 1 ELSE 0 END) AS pruned,
        SUM(CASE WHEN trials.state = 'pruned' THEN 1 - trials.stop_progress ELSE 0 END) AS trainings_saved,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed' THEN 1 ELSE 0 END) AS audited,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed' AND trials.stop_progress IS NOT NULL
            THEN 1 ELSE 0 END) AS would_stop,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed'
            AND COALESCE(score, val_accuracy) >= trials.stop_bound THEN 1 ELSE 0 END) AS false_stops
    FROM trials JOIN studies ON studies.id = trials.study_id
    WHERE trials.audited IS NOT NULL
    GROUP BY studies.id, studies.name, studies.kind
) AS counted;
CREATE VIEW spending AS
SELECT
    studies.name AS study,
    COUNT(trials.share) AS trainings,
    COALESCE(SUM(trials.share), 0.0) AS spent,
    COALESCE(SUM(CASE WHEN trials.state <> 'running' THEN trials.share END), 0.0) AS ended,
    COALESCE(SUM(trials.slot_seconds), 0.0) AS slot_seconds,
    SUM(trials.energy_joules) AS energy_joules,
    COUNT(trials.energy_joules) AS measured,
    COALESCE(SUM(CASE WHEN trials.started_at >= studies.begun_at THEN trials.slot_seconds END), 0.0)
        AS run_seconds,
    COUNT(CASE WHEN trials.started_at >= studies.begun_at THEN trials.finished_at END) AS run_ended,
    MAX(CASE WHEN trials.started_at >= studies.begun_at THEN trials.finished_at END) AS last_finished_at
FROM studies LEFT JOIN (
    SELECT study_id, state, slot_seconds, energy_joules, started_at, finished_at,
        CASE state WHEN 'pruned' THEN stop_progress ELSE 1.0 END AS share
    FROM trials WHERE state NOT IN ('screened', 'duplicate')
) AS trials ON trials.study_id = studies.id
GROUP BY studies.id, studies.name;
COMMIT;
