BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0010');
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
	val_loss DOUBLE, 
	CONSTRAINT pk_measurements PRIMARY KEY (trial_id, ordinal), 
	CONSTRAINT fk_measurements_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
INSERT INTO "measurements" VALUES(2,0,1.0,2,0.2,6.18478399974264902994e-03,8.00000000000000155431e-02,4.84742642906859533269e-01,5.1525735709314046673e-01,4.84742642906859533269e-01);
INSERT INTO "measurements" VALUES(2,1,2.0,4,0.4,1.42150539995782310143e-02,0.06,2.53222588390421554649e-01,7.4677741160957844535e-01,2.53222588390421554649e-01);
INSERT INTO "measurements" VALUES(2,2,3.0,6,0.6,2.03663980000783340074e-02,4.00000000000000077715e-02,1.49193922122187738743e-01,8.50806077877812261256e-01,1.49193922122187738743e-01);
INSERT INTO "measurements" VALUES(2,3,4.0,8,0.8,2.65116929995201644487e-02,1.99999999999999969468e-02,1.02450829269386090025e-01,8.97549170730613909974e-01,1.02450829269386090025e-01);
INSERT INTO "measurements" VALUES(2,4,5.0,10,1.0,3.26408040000387700274e-02,0.0,8.14478037782017105783e-02,9.18552196221798289421e-01,8.14478037782017105783e-02);
INSERT INTO "measurements" VALUES(1,0,1.0,2,0.2,6.13448900003277231007e-03,8.00000000000000155431e-02,4.93815023215141479795e-01,5.06184976784858520204e-01,4.93815023215141479795e-01);
INSERT INTO "measurements" VALUES(1,1,2.0,4,0.4,1.2247996000041894149e-02,0.06,2.66371451944701131964e-01,7.33628548055298868035e-01,2.66371451944701131964e-01);
INSERT INTO "measurements" VALUES(1,2,3.0,6,0.6,2.0149854000010236632e-02,4.00000000000000077715e-02,1.64174467670632706628e-01,8.35825532329367293371e-01,1.64174467670632706628e-01);
INSERT INTO "measurements" VALUES(1,3,4.0,8,0.8,2.62889499999801046214e-02,1.99999999999999969468e-02,1.18254402590861618094e-01,8.81745597409138381905e-01,1.18254402590861618094e-01);
INSERT INTO "measurements" VALUES(1,4,5.0,10,1.0,3.24265239996748277917e-02,0.0,0.0976211873163727,9.02378812683627296031e-01,0.0976211873163727);
INSERT INTO "measurements" VALUES(4,0,1.0,2,0.2,0.00615854500028945,8.00000000000000155431e-02,4.83295297519580557832e-01,5.16704702480419442167e-01,4.83295297519580557832e-01);
INSERT INTO "measurements" VALUES(4,1,2.0,4,0.4,1.23937040007149334996e-02,0.06,2.51124908799556401106e-01,7.48875091200443598893e-01,2.51124908799556401106e-01);
INSERT INTO "measurements" VALUES(4,2,3.0,6,0.6,1.85264500005359877832e-02,4.00000000000000077715e-02,1.46804028537295461198e-01,8.53195971462704538801e-01,1.46804028537295461198e-01);
INSERT INTO "measurements" VALUES(4,3,4.0,8,0.8,2.46669080006540752947e-02,1.99999999999999969468e-02,9.99296354732569502843e-02,0.900070364526743,9.99296354732569502843e-02);
INSERT INTO "measurements" VALUES(4,4,5.0,10,1.0,3.08046220006872317753e-02,0.0,7.88676129941691117508e-02,9.21132387005830888249e-01,7.88676129941691117508e-02);
INSERT INTO "measurements" VALUES(3,0,1.0,2,0.2,6.14008799948351224884e-03,8.00000000000000155431e-02,4.78586235754435707079e-01,5.2141376424556429292e-01,4.78586235754435707079e-01);
INSERT INTO "measurements" VALUES(3,1,2.0,4,0.4,1.2253444999259954784e-02,0.06,2.44299929189515041549e-01,0.755700070810485,2.44299929189515041549e-01);
INSERT INTO "measurements" VALUES(3,2,3.0,6,0.6,1.86276119993635802529e-02,4.00000000000000077715e-02,1.39028305753849501513e-01,8.60971694246150498486e-01,1.39028305753849501513e-01);
INSERT INTO "measurements" VALUES(3,3,4.0,8,0.8,2.47734679996938211843e-02,1.99999999999999969468e-02,9.17267162445636330403e-02,9.08273283755436366959e-01,9.17267162445636330403e-02);
INSERT INTO "measurements" VALUES(3,4,5.0,10,1.0,3.09031799997683265246e-02,0.0,7.04727420292582396044e-02,9.29527257970741760395e-01,7.04727420292582396044e-02);
INSERT INTO "measurements" VALUES(6,0,1.0,2,0.2,6.29807299992535263299e-03,8.00000000000000155431e-02,4.86561520139573322474e-01,5.13438479860426677525e-01,4.86561520139573322474e-01);
INSERT INTO "measurements" VALUES(6,1,2.0,4,0.4,1.24357670001700171269e-02,0.06,2.55858739845966742798e-01,7.44141260154033257201e-01,2.55858739845966742798e-01);
INSERT INTO "measurements" VALUES(6,2,3.0,6,0.6,1.89986549994500819593e-02,4.00000000000000077715e-02,1.52197298557677607178e-01,8.47802701442322392821e-01,1.52197298557677607178e-01);
INSERT INTO "measurements" VALUES(6,3,4.0,8,0.8,2.51432089999070740304e-02,1.99999999999999969468e-02,1.05619210524712459076e-01,8.94380789475287540923e-01,1.05619210524712459076e-01);
INSERT INTO "measurements" VALUES(6,4,5.0,10,1.0,3.12624859998322790488e-02,0.0,8.46903264782995490733e-02,9.15309673521700450926e-01,8.46903264782995490733e-02);
INSERT INTO "measurements" VALUES(5,0,1.0,2,0.2,6.14775899975938955321e-03,8.00000000000000155431e-02,4.85894043149753152022e-01,5.14105956850246847977e-01,4.85894043149753152022e-01);
INSERT INTO "measurements" VALUES(5,1,2.0,4,0.4,1.22524140006134985014e-02,0.06,2.54891346111738692492e-01,7.45108653888261307507e-01,2.54891346111738692492e-01);
INSERT INTO "measurements" VALUES(5,2,3.0,6,0.6,2.31727979999050148762e-02,4.00000000000000077715e-02,1.5109514354336328612e-01,8.48904856456636713879e-01,1.5109514354336328612e-01);
INSERT INTO "measurements" VALUES(5,3,4.0,8,0.8,2.93478280000272206962e-02,1.99999999999999969468e-02,1.0445650336401379743e-01,8.95543496635986202569e-01,1.0445650336401379743e-01);
INSERT INTO "measurements" VALUES(5,4,5.0,10,1.0,3.54965280002943472936e-02,0.0,8.35004114843910238974e-02,0.916499588515609,8.35004114843910238974e-02);
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
	macs BIGINT NOT NULL, 
	parameters BIGINT NOT NULL, 
	val_accuracy DOUBLE NOT NULL, 
	status VARCHAR NOT NULL, 
	study_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	created_at DATETIME NOT NULL, ingredients JSON, architecture JSON, trainings INTEGER, accuracy_low DOUBLE, accuracy_high DOUBLE, probability DOUBLE, latency_ms DOUBLE, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT ck_models_status CHECK (status IN ('provisional', 'confirmed')), 
	CONSTRAINT fk_models_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT fk_models_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE, 
	CONSTRAINT uq_models_name_study_id UNIQUE (name, study_id)
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
INSERT INTO "requests" VALUES(1,'recipe','hpo','senet18','{"data": "fake:sleep=0.03", "budget": "10steps", "device": "cpu", "slots": 2, "trials": 12, "solver": "random", "audit": 1.0, "space": "recipe"}','ended',NULL,NULL,'2026-11-30 04:27:58.007074',NULL,NULL);
CREATE TABLE "studies" (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	question JSON NOT NULL, 
	budget_trials INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	message VARCHAR, 
	min_accuracy DOUBLE, 
	baseline_accuracy DOUBLE, 
	baseline_std DOUBLE, 
	baseline_replicates INTEGER, 
	versions JSON NOT NULL, 
	git_commit VARCHAR, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, minimise VARCHAR, maximise VARCHAR, budget_slot_hours DOUBLE, slots INTEGER, begun_at DATETIME, 
	CONSTRAINT pk_studies PRIMARY KEY (id), 
	CONSTRAINT uq_studies_name UNIQUE (name), 
	CONSTRAINT ck_studies_state CHECK (state IN ('running', 'finished', 'stopped', 'failed')), 
	CONSTRAINT ck_studies_kind CHECK (kind IN ('nas', 'hpo', 'evaluation'))
);
INSERT INTO "studies" VALUES(1,'recipe','hpo','{"subject": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "training": {"network": "senet18", "dataset": "fake", "train_images": 5000, "validation_images": 1000, "budget": {"steps": 10}, "seed": 0, "recipe": "nomad_haet", "hyperparameters": {}, "image_size": null, "clock": "train", "precision": "auto", "device": "cpu", "fingerprint": "fake-1"}, "space": [{"kind": "choice", "name": "policy", "values": ["none", "auto_augment", "rand_augment", "trivial_augment"], "ordered": false}, {"kind": "integer", "name": "magnitude", "low": 1, "high": 20, "log": false}, {"kind": "choice", "name": "flip", "values": ["none", "flip", "alternating_flip"], "ordered": false}, {"kind": "real", "name": "cutout", "low": 0.0, "high": 0.75, "log": false, "granularity": null}, {"kind": "choice", "name": "mixing", "values": ["none", "mixup", "cutmix"], "ordered": false}, {"kind": "real", "name": "mixing_chance", "low": 0.1, "high": 1.0, "log": false, "granularity": null}, {"kind": "choice", "name": "mixing_fades", "values": [false, true], "ordered": false}, {"kind": "real", "name": "smoothing", "low": 0.0, "high": 0.3, "log": false, "granularity": null}, {"kind": "choice", "name": "sharpness", "values": ["none", "sam", "asam"], "ordered": false}, {"kind": "real", "name": "rho", "low": 0.01, "high": 0.5, "log": true, "granularity": null}, {"kind": "choice", "name": "sharpness_from", "values": [0.0, 0.5, 0.75], "ordered": true}, {"kind": "choice", "name": "gradient_centralization", "values": [false, true], "ordered": false}, {"kind": "choice", "name": "decay_split", "values": [false, true], "ordered": false}, {"kind": "choice", "name": "average", "values": ["none", "ema"], "ordered": false}, {"kind": "real", "name": "half_life", "low": 0.002, "high": 0.1, "log": true, "granularity": null}, {"kind": "choice", "name": "schedule", "values": ["cosine", "linear", "one_cycle", "step_decay"], "ordered": false}], "solver": {"name": "random", "block": 2, "versions": {}}, "trainer": "python tests/fake_trainer.py", "early_stop": {"level": 0.05, "audit": 1.0}, "searched": "recipe", "confirmation": {"most": 6, "level": 0.95}}',12,'running',NULL,NULL,NULL,NULL,NULL,'{"nomad-nas": "0.1.0", "torch": "2.14.1", "torchvision": "0.29.1", "PyNomadBBO": "4.6.0", "optuna": "5.0.0", "sqlalchemy": "2.1.9", "numpy": "2.4.6"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.002731','2026-11-30 04:27:58.001958',NULL,'accuracy',NULL,2,'2026-11-30 04:27:58.001958');
CREATE TABLE "trials" (
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
	depth DOUBLE, 
	width DOUBLE, 
	resolution DOUBLE, 
	optimizer VARCHAR, 
	learning_rate DOUBLE, 
	weight_decay DOUBLE, 
	batch_size INTEGER, 
	macs BIGINT, 
	parameters BIGINT, 
	channels JSON, 
	blocks JSON, 
	resolution_pixels INTEGER, 
	val_accuracy DOUBLE, 
	val_loss DOUBLE, 
	test_accuracy DOUBLE, 
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
	constraints JSON, 
	seed BIGINT, 
	subset_seed BIGINT, 
	budget_seconds DOUBLE, 
	budget_steps INTEGER, 
	attempts INTEGER NOT NULL, 
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
	finished_at DATETIME, recipe VARCHAR, test_accuracy_1000 DOUBLE, test_loss DOUBLE, verdict VARCHAR, probability DOUBLE, audited INTEGER, stop_progress DOUBLE, predicted_accuracy DOUBLE, stop_bound DOUBLE, latency_ms DOUBLE, latency_iqr_ms DOUBLE, other_objectives JSON, slot_seconds DOUBLE, energy_joules DOUBLE, 
	CONSTRAINT pk_trials PRIMARY KEY (id), 
	CONSTRAINT ck_trials_state CHECK (state IN ('running', 'completed', 'failed', 'pruned', 'screened', 'duplicate')), 
	CONSTRAINT fk_trials_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT ck_trials_purpose CHECK (purpose IN ('baseline', 'search', 'confirmation', 'evaluation'))
);
INSERT INTO "trials" VALUES(1,1,1,'search','completed',NULL,NULL,'{"policy": "auto_augment", "magnitude": 9, "flip": "flip", "cutout": 0.5, "mixing": "none", "mixing_chance": 0.5, "mixing_fades": false, "smoothing": 0.0, "sharpness": "none", "rho": 0.05, "sharpness_from": 0.0, "gradient_centralization": false, "decay_split": false, "average": "none", "half_life": 0.02, "schedule": "cosine"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":null,"asam":null,"auto_augment":{},"cosine":{"final":0.0,"warm_up":0.0},"cutmix":null,"cutout":{"share":0.5},"decay_split":null,"ema":null,"flip":{"probability":0.5},"gradient_centralization":null,"label_smoothing":null,"linear":null,"mixup":null,"one_cycle":null,"rand_augment":null,"sam":null,"step_decay":null,"trivial_augment":null},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"rand_augment": null, "trivial_augment": null, "auto_augment": {}, "alternating_flip": null, "flip": {"probability": 0.5}, "cutout": {"share": 0.5}, "mixup": null, "cutmix": null, "label_smoothing": null, "sam": null, "asam": null, "gradient_centralization": null, "decay_split": null, "ema": null, "linear": null, "one_cycle": null, "step_decay": null, "cosine": {"warm_up": 0.0, "final": 0.0}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.02378812683627296031e-01,0.0976211873163727,NULL,5.0,10,10,0,3.24618659997213399037e-02,0.0,3.24618659997213399037e-02,3.94308817617258318931e+04,NULL,0.0976211873163727,'[]',0,0,NULL,10,1,'/records/recipe/00001',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.084095','2026-11-30 04:27:58.084101','2026-11-30 04:27:58.207046','nomad_haet',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.16051287999653141014e-01,NULL);
INSERT INTO "trials" VALUES(2,1,2,'search','completed',NULL,NULL,'{"policy": "trivial_augment", "magnitude": 14, "flip": "none", "cutout": 0.1941875627197225, "mixing": "cutmix", "mixing_chance": 0.5373349269065314, "mixing_fades": true, "smoothing": 0.2903399984760514, "sharpness": "sam", "rho": 0.0979825157751, "sharpness_from": 0.0, "gradient_centralization": false, "decay_split": true, "average": "none", "half_life": 0.0384696883196, "schedule": "one_cycle"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":null,"asam":null,"auto_augment":null,"cosine":null,"cutmix":{"alpha":1.0,"anneal":true,"chance":0.5373349269065314,"until":1.0},"cutout":{"share":0.1941875627197225},"decay_split":{},"ema":null,"flip":null,"gradient_centralization":null,"label_smoothing":{"alpha":0.2903399984760514},"linear":null,"mixup":null,"one_cycle":{"first":0.04,"last":4e-06,"rise":0.3},"rand_augment":null,"sam":{"rho":0.0979825157751,"start":0.0},"step_decay":null,"trivial_augment":{}},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"auto_augment": null, "rand_augment": null, "trivial_augment": {}, "flip": null, "alternating_flip": null, "cutout": {"share": 0.1941875627197225}, "mixup": null, "cutmix": {"alpha": 1.0, "until": 1.0, "chance": 0.5373349269065314, "anneal": true}, "label_smoothing": {"alpha": 0.2903399984760514}, "asam": null, "sam": {"rho": 0.0979825157751, "start": 0.0}, "gradient_centralization": null, "decay_split": {}, "ema": null, "cosine": null, "linear": null, "step_decay": null, "one_cycle": {"rise": 0.3, "first": 0.04, "last": 4e-06}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.18552196221798289421e-01,8.14478037782017105783e-02,NULL,5.0,10,10,0,3.2680442999662773218e-02,0.0,3.2680442999662773218e-02,3.91671557210288810886e+04,NULL,8.14478037782017105783e-02,'[]',0,0,NULL,10,1,'/records/recipe/00002',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.091616','2026-11-30 04:27:58.091620','2026-11-30 04:27:58.194872','nomad_haet',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9.60656900006142677739e-02,NULL);
INSERT INTO "trials" VALUES(3,1,3,'search','completed',NULL,NULL,'{"policy": "auto_augment", "magnitude": 10, "flip": "none", "cutout": 0.5473738111950965, "mixing": "cutmix", "mixing_chance": 0.3971774967381987, "mixing_fades": false, "smoothing": 0.10613739885577222, "sharpness": "sam", "rho": 0.109113539494, "sharpness_from": 0.0, "gradient_centralization": true, "decay_split": true, "average": "ema", "half_life": 0.00255176776883, "schedule": "cosine"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":null,"asam":null,"auto_augment":{},"cosine":{"final":0.0,"warm_up":0.0},"cutmix":{"alpha":1.0,"anneal":false,"chance":0.3971774967381987,"until":1.0},"cutout":{"share":0.5473738111950965},"decay_split":{},"ema":{"half_life":0.00255176776883},"flip":null,"gradient_centralization":{"conv_only":false},"label_smoothing":{"alpha":0.10613739885577222},"linear":null,"mixup":null,"one_cycle":null,"rand_augment":null,"sam":{"rho":0.109113539494,"start":0.0},"step_decay":null,"trivial_augment":null},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"rand_augment": null, "trivial_augment": null, "auto_augment": {}, "flip": null, "alternating_flip": null, "cutout": {"share": 0.5473738111950965}, "mixup": null, "cutmix": {"alpha": 1.0, "until": 1.0, "chance": 0.3971774967381987, "anneal": false}, "label_smoothing": {"alpha": 0.10613739885577222}, "asam": null, "sam": {"rho": 0.109113539494, "start": 0.0}, "gradient_centralization": {"conv_only": false}, "decay_split": {}, "ema": {"half_life": 0.00255176776883}, "linear": null, "one_cycle": null, "step_decay": null, "cosine": {"warm_up": 0.0, "final": 0.0}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.29527257970741760395e-01,7.04727420292582396044e-02,NULL,5.0,10,10,0,3.09410659992863656952e-02,0.0,3.09410659992863656952e-02,41368.9689951058,NULL,7.04727420292582396044e-02,'[]',0,0,NULL,10,1,'/records/recipe/00003',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.214211','2026-11-30 04:27:58.214215','2026-11-30 04:27:58.325394','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.08486853999238519463e-01,NULL);
INSERT INTO "trials" VALUES(4,1,4,'search','completed',NULL,NULL,'{"policy": "none", "magnitude": 13, "flip": "alternating_flip", "cutout": 0.6186337328611747, "mixing": "cutmix", "mixing_chance": 0.662739246346269, "mixing_fades": true, "smoothing": 0.24841898352116965, "sharpness": "sam", "rho": 0.0259655342965, "sharpness_from": 0.5, "gradient_centralization": false, "decay_split": false, "average": "none", "half_life": 0.00508664349988, "schedule": "linear"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":{},"asam":null,"auto_augment":null,"cosine":null,"cutmix":{"alpha":1.0,"anneal":true,"chance":0.662739246346269,"until":1.0},"cutout":{"share":0.6186337328611747},"decay_split":null,"ema":null,"flip":null,"gradient_centralization":null,"label_smoothing":{"alpha":0.24841898352116965},"linear":{"final":0.0,"warm_up":0.05},"mixup":null,"one_cycle":null,"rand_augment":null,"sam":{"rho":0.0259655342965,"start":0.5},"step_decay":null,"trivial_augment":null},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"auto_augment": null, "rand_augment": null, "trivial_augment": null, "flip": null, "alternating_flip": {}, "cutout": {"share": 0.6186337328611747}, "mixup": null, "cutmix": {"alpha": 1.0, "until": 1.0, "chance": 0.662739246346269, "anneal": true}, "label_smoothing": {"alpha": 0.24841898352116965}, "asam": null, "sam": {"rho": 0.0259655342965, "start": 0.5}, "gradient_centralization": null, "decay_split": null, "ema": null, "cosine": null, "one_cycle": null, "step_decay": null, "linear": {"warm_up": 0.05, "final": 0.0}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.21132387005830888249e-01,7.88676129941691117508e-02,NULL,5.0,10,10,0,3.08410960005858214572e-02,0.0,3.08410960005858214572e-02,4.15030646114420378577e+04,NULL,7.88676129941691117508e-02,'[]',0,0,NULL,10,1,'/records/recipe/00004',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.216794','2026-11-30 04:27:58.216796','2026-11-30 04:27:58.319177','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,9.67926650000663357786e-02,NULL);
INSERT INTO "trials" VALUES(5,1,5,'search','completed',NULL,NULL,'{"policy": "trivial_augment", "magnitude": 3, "flip": "none", "cutout": 0.7449161651733588, "mixing": "cutmix", "mixing_chance": 0.9981744679775122, "mixing_fades": true, "smoothing": 0.032717353779331104, "sharpness": "asam", "rho": 0.0312287298777, "sharpness_from": 0.0, "gradient_centralization": true, "decay_split": false, "average": "ema", "half_life": 0.0114038895809, "schedule": "step_decay"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":null,"asam":{"eta":0.01,"rho":0.312287298777,"start":0.0},"auto_augment":null,"cosine":null,"cutmix":{"alpha":1.0,"anneal":true,"chance":0.9981744679775122,"until":1.0},"cutout":{"share":0.7449161651733588},"decay_split":null,"ema":{"half_life":0.0114038895809},"flip":null,"gradient_centralization":{"conv_only":false},"label_smoothing":{"alpha":0.032717353779331104},"linear":null,"mixup":null,"one_cycle":null,"rand_augment":null,"sam":null,"step_decay":{"factor":0.9,"period":0.08},"trivial_augment":{}},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"auto_augment": null, "rand_augment": null, "trivial_augment": {}, "flip": null, "alternating_flip": null, "cutout": {"share": 0.7449161651733588}, "mixup": null, "cutmix": {"alpha": 1.0, "until": 1.0, "chance": 0.9981744679775122, "anneal": true}, "label_smoothing": {"alpha": 0.032717353779331104}, "sam": null, "asam": {"eta": 0.01, "rho": 0.312287298777, "start": 0.0}, "gradient_centralization": {"conv_only": false}, "decay_split": null, "ema": {"half_life": 0.0114038895809}, "cosine": null, "linear": null, "one_cycle": null, "step_decay": {"factor": 0.9, "period": 0.08}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,0.916499588515609,8.35004114843910238974e-02,NULL,5.0,10,10,0,3.5543969000173092354e-02,0.0,3.5543969000173092354e-02,3.60117352115000612686e+04,NULL,8.35004114843910238974e-02,'[]',0,0,NULL,10,1,'/records/recipe/00005',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.331366','2026-11-30 04:27:58.331368','2026-11-30 04:27:58.454431','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.15342199999759031925e-01,NULL);
INSERT INTO "trials" VALUES(6,1,6,'search','completed',NULL,NULL,'{"policy": "rand_augment", "magnitude": 19, "flip": "none", "cutout": 0.2177471268020685, "mixing": "none", "mixing_chance": 0.8393204932515067, "mixing_fades": false, "smoothing": 0.183831953960582, "sharpness": "asam", "rho": 0.0276584410621, "sharpness_from": 0.0, "gradient_centralization": false, "decay_split": false, "average": "none", "half_life": 0.0741014394373, "schedule": "cosine"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"ingredients":{"alternating_flip":null,"asam":{"eta":0.01,"rho":0.27658441062100003,"start":0.0},"auto_augment":null,"cosine":{"final":0.0,"warm_up":0.0},"cutmix":null,"cutout":{"share":0.2177471268020685},"decay_split":null,"ema":null,"flip":null,"gradient_centralization":null,"label_smoothing":{"alpha":0.183831953960582},"linear":null,"mixup":null,"one_cycle":null,"rand_augment":{"magnitude":19,"operations":2},"sam":null,"step_decay":null,"trivial_augment":null},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false, "ingredients": {"auto_augment": null, "trivial_augment": null, "rand_augment": {"operations": 2, "magnitude": 19}, "flip": null, "alternating_flip": null, "cutout": {"share": 0.2177471268020685}, "mixup": null, "cutmix": null, "label_smoothing": {"alpha": 0.183831953960582}, "sam": null, "asam": {"eta": 0.01, "rho": 0.27658441062100003, "start": 0.0}, "gradient_centralization": null, "decay_split": null, "ema": null, "linear": null, "one_cycle": null, "step_decay": null, "cosine": {"warm_up": 0.0, "final": 0.0}}}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.15309673521700450926e-01,8.46903264782995490733e-02,NULL,5.0,10,10,0,3.13033570000698091462e-02,0.0,3.13033570000698091462e-02,4.08901831198853687966e+04,NULL,8.46903264782995490733e-02,'[]',0,0,NULL,10,1,'/records/recipe/00006',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:58.338229','2026-11-30 04:27:58.338232','2026-11-30 04:27:58.432490','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,9.0275874999861116521e-02,NULL);
CREATE INDEX ix_events_study_id ON events (study_id);
CREATE INDEX ix_trials_network_key ON trials (network_key);
CREATE INDEX ix_trials_reason ON trials (reason);
CREATE VIEW completed_trials AS
SELECT
    studies.name AS study,
    studies.kind,
    trials.number AS trial,
    trials.purpose,
    trials.replicate,
    trials.model,
    trials.recipe,
    trials.depth,
    trials.width,
    trials.resolution,
    trials.resolution_pixels,
    trials.macs,
    CAST(trials.macs AS DOUBLE PRECISION) / 1000000 AS macs_millions,
    trials.parameters,
    trials.latency_ms,
    trials.optimizer,
    trials.learning_rate,
    trials.weight_decay,
    trials.batch_size,
    trials.val_accuracy,
    trials.val_accuracy * 100 AS val_accuracy_percent,
    trials.val_loss,
    trials.test_accuracy,
    trials.test_accuracy_1000,
    trials.test_loss,
    trained.mean_accuracy,
    trained.trainings,
    trained.confirmations,
    studies.minimise,
    studies.maximise,
    studies.min_accuracy,
    trials.verdict,
    trials.probability,
    CASE WHEN trials.verdict = 'confirmed' THEN 1
         WHEN trials.verdict = 'rejected' THEN 0
         WHEN trained.mean_accuracy >= studies.min_accuracy THEN 1
         WHEN trained.mean_accuracy < studies.min_accuracy THEN 0 END AS feasible,
    trials.epochs,
    trials.steps,
    trials.train_seconds,
    trials.overshoot_seconds,
    trials.wall_seconds,
    trials.slot_seconds,
    trials.energy_joules,
    trials.images_per_second,
    trials.peak_memory_bytes,
    trials.seed,
    trials.subset_seed,
    trials.host,
    trials.device,
    trials.device_name,
    trials.driver,
    trials.git_commit,
    trials.folder,
    trials.started_at,
    trials.finished_at
FROM trials
JOIN studies ON studies.id = trials.study_id
JOIN (
    SELECT first.id, COALESCE(again.mean_accuracy, first.val_accuracy) AS mean_accuracy,
        COALESCE(again.trainings, 1) AS trainings, COALESCE(again.trainings, 0) AS confirmations
    FROM trials AS first LEFT JOIN (
        SELECT study_id, of_trial_number, AVG(COALESCE(val_accuracy, 0)) AS mean_accuracy,
            COUNT(*) AS trainings
        FROM trials WHERE purpose = 'confirmation' AND state IN ('completed', 'failed')
        GROUP BY study_id, of_trial_number
    ) AS again ON again.study_id = first.study_id AND again.of_trial_number = first.number
) AS trained ON trained.id = trials.id
WHERE trials.state = 'completed';
CREATE VIEW best_trials AS
SELECT study, kind, trial, purpose, replicate, model, recipe, depth, width, resolution, resolution_pixels, macs, macs_millions, parameters, latency_ms, optimizer, learning_rate, weight_decay, batch_size, val_accuracy, val_accuracy_percent, val_loss, test_accuracy, test_accuracy_1000, test_loss, mean_accuracy, trainings, confirmations, minimise, maximise, min_accuracy, verdict, probability, feasible, epochs, steps, train_seconds, overshoot_seconds, wall_seconds, slot_seconds, energy_joules, images_per_second, peak_memory_bytes, seed, subset_seed, host, device, device_name, driver, git_commit, folder, started_at, finished_at FROM (
    SELECT completed_trials.*, ROW_NUMBER() OVER (
        PARTITION BY study
        ORDER BY CASE WHEN minimise IS NULL OR verdict = 'confirmed' THEN 0
                WHEN verdict = 'undecided' THEN 1 - probability ELSE 1 END,
            CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms END, CASE WHEN minimise IS NULL THEN -confirmations END,
            CASE WHEN minimise IS NULL THEN -mean_accuracy END, trial
    ) AS place
    FROM completed_trials
    WHERE purpose = 'search' AND val_accuracy IS NOT NULL
      AND ((minimise IS NULL AND maximise IS NOT NULL)
        OR (minimise IS NOT NULL AND maximise IS NULL AND feasible = 1 AND CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms END IS NOT NULL))
) AS ranked
WHERE place = 1;
CREATE VIEW front AS
SELECT study, kind, trial, purpose, replicate, model, recipe, depth, width, resolution, resolution_pixels, macs, macs_millions, parameters, latency_ms, optimizer, learning_rate, weight_decay, batch_size, val_accuracy, val_accuracy_percent, val_loss, test_accuracy, test_accuracy_1000, test_loss, mean_accuracy, trainings, confirmations, minimise, maximise, min_accuracy, verdict, probability, feasible, epochs, steps, train_seconds, overshoot_seconds, wall_seconds, slot_seconds, energy_joules, images_per_second, peak_memory_bytes, seed, subset_seed, host, device, device_name, driver, git_commit, folder, started_at, finished_at FROM (
    SELECT completed_trials.*, MAX(mean_accuracy) OVER (
        PARTITION BY study ORDER BY CASE minimise WHEN 'macs' THEN macs WHEN 'params' THEN parameters WHEN 'latency' THEN latency_ms END, mean_accuracy DESC, trial
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS of_smaller
    FROM completed_trials
    WHERE purpose = 'search' AND minimise IS NOT NULL AND maximise IS NOT NULL
      AND mean_accuracy IS NOT NULL AND (feasible IS NULL OR feasible = 1)
) AS ranked
WHERE of_smaller IS NULL OR mean_accuracy > of_smaller;
CREATE VIEW learning_curves AS
SELECT
    studies.name AS study,
    studies.kind,
    trials.number AS trial,
    trials.purpose,
    trials.state,
    trials.model,
    measurements.ordinal,
    measurements.epoch,
    measurements.step,
    measurements.progress,
    measurements.elapsed_seconds,
    measurements.learning_rate,
    measurements.train_loss,
    measurements.val_accuracy,
    measurements.val_loss
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
            AND trials.val_accuracy >= trials.stop_bound THEN 1 ELSE 0 END) AS false_stops
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
