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
INSERT INTO "events" VALUES(1,1,1,'2026-11-30 04:28:10.371857','test_read','{"number": 1, "images": 10000, "protocols": ["all", "1000"]}');
INSERT INTO "events" VALUES(2,1,2,'2026-11-30 04:28:10.388020','test_read','{"number": 2, "images": 10000, "protocols": ["all", "1000"]}');
INSERT INTO "events" VALUES(3,1,4,'2026-11-30 04:28:10.487090','test_read','{"number": 4, "images": 10000, "protocols": ["all", "1000"]}');
INSERT INTO "events" VALUES(4,1,3,'2026-11-30 04:28:10.512951','test_read','{"number": 3, "images": 10000, "protocols": ["all", "1000"]}');
INSERT INTO "events" VALUES(5,1,5,'2026-11-30 04:28:10.590935','test_read','{"number": 5, "images": 10000, "protocols": ["all", "1000"]}');
INSERT INTO "events" VALUES(6,1,6,'2026-11-30 04:28:10.616549','test_read','{"number": 6, "images": 10000, "protocols": ["all", "1000"]}');
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
INSERT INTO "measurements" VALUES(1,0,1.0,2,0.2,0.00616495499980374,8.00000000000000155431e-02,4.9759656910038119193e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(1,1,2.0,4,0.4,1.23268540000935900025e-02,0.06,2.71852155925317418017e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(1,2,3.0,6,0.6,1.84874730002775322645e-02,4.00000000000000077715e-02,1.70418652598115838436e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(1,3,4.0,8,0.8,0.0246113660004994,1.99999999999999969468e-02,1.24841641621323717892e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(1,4,5.0,10,1.0,3.07164710002325591631e-02,0.0,1.04362570491562500762e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(2,0,1.0,2,0.2,0.00613325700032874,8.00000000000000155431e-02,4.94569575847466191831e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(2,1,2.0,4,0.4,1.22370600001886487007e-02,0.06,2.674650469296803168e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(2,2,3.0,6,0.6,1.8356126000071526505e-02,4.00000000000000077715e-02,1.65420404204721926966e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(2,3,4.0,8,0.8,0.0276336180004364,1.99999999999999969468e-02,1.19568790595404483845e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(2,4,5.0,10,1.0,3.38157080004748422652e-02,0.0,9.89663325492268208805e-02,NULL,NULL);
INSERT INTO "measurements" VALUES(4,0,1.0,2,0.2,8.72619900019344640895e-03,8.00000000000000155431e-02,4.93164511324033716377e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(4,1,2.0,4,0.4,1.49179529998946236446e-02,0.06,2.65428646219416086715e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(4,2,3.0,6,0.6,2.10762079996129614301e-02,4.00000000000000077715e-02,1.63100325859618755508e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(4,3,4.0,8,0.8,2.72309570000288658775e-02,1.99999999999999969468e-02,1.17121247672495987224e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(4,4,5.0,10,1.0,3.33557610001662396825e-02,0.0,0.0964615160996114,NULL,NULL);
INSERT INTO "measurements" VALUES(3,0,1.0,2,0.2,6.13429899931361433118e-03,8.00000000000000155431e-02,4.9668956711885892119e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(3,1,2.0,4,0.4,1.22545459998946171253e-02,0.06,2.70537611682985401628e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(3,2,3.0,6,0.6,1.83951649996743071824e-02,4.00000000000000077715e-02,1.68920987813900302931e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(3,3,4.0,8,0.8,2.45592179999221116304e-02,1.99999999999999969468e-02,1.23261695473714905091e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(3,4,5.0,10,1.0,3.07104019993857946246e-02,0.0,1.02745652944174148402e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(5,0,1.0,2,0.2,6.16094899942254414781e-03,8.00000000000000155431e-02,4.93383757976886938578e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(5,1,2.0,4,0.4,1.23170500000924221239e-02,0.06,2.65746406743681884421e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(5,2,3.0,6,0.6,0.0211082460000398,4.00000000000000077715e-02,1.63462351519677806521e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(5,3,4.0,8,0.8,2.72611620002862764522e-02,1.99999999999999969468e-02,1.17503162940167271699e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(5,4,5.0,10,1.0,3.33915149994936655275e-02,0.0,9.68523683440678517797e-02,NULL,NULL);
INSERT INTO "measurements" VALUES(6,0,1.0,2,0.2,6.13091400009579956531e-03,8.00000000000000155431e-02,4.94372287466057325211e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(6,1,2.0,4,0.4,1.22460640004646847955e-02,0.06,2.67179111164220550733e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(6,2,3.0,6,0.6,1.8394413999885728117e-02,4.00000000000000077715e-02,1.65094636602014954718e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(6,3,4.0,8,0.8,2.45514560001538484357e-02,1.99999999999999969468e-02,1.19225125394528230771e-01,NULL,NULL);
INSERT INTO "measurements" VALUES(6,4,5.0,10,1.0,3.07057950003581936471e-02,0.0,9.86146254391050414156e-02,NULL,NULL);
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
	CONSTRAINT ck_studies_state CHECK (state IN ('running', 'finished', 'stopped', 'failed')), 
	CONSTRAINT uq_studies_name UNIQUE (name), 
	CONSTRAINT ck_studies_kind CHECK (kind IN ('nas', 'hpo', 'evaluation'))
);
INSERT INTO "studies" VALUES(1,'evaluation','evaluation','{"pairs": {"senet18 with nomad_haet": {"network": "senet18", "recipe": "nomad_haet", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}}, "resnet18 with nomad_haet": {"network": "resnet18", "recipe": "nomad_haet", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}}}, "training": {"dataset": "fake", "train_images": 5000, "validation_images": 0, "budget": {"steps": 10}, "seed": 0, "hyperparameters": {}, "image_size": null, "clock": "train", "precision": "auto", "device": "cpu", "test": true, "disjoint": true, "fingerprint": "fake-1"}, "trainer": "python tests/fake_trainer.py"}',8,'running',NULL,NULL,NULL,NULL,NULL,'{"nomad-nas": "0.1.0", "torch": "2.14.1", "torchvision": "0.29.1", "PyNomadBBO": "4.6.0", "optuna": "5.0.0", "sqlalchemy": "2.1.9", "numpy": "2.4.6"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.267370','2026-11-30 04:28:10.265008',NULL,NULL,NULL,2,'2026-11-30 04:28:10.265008');
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
	CONSTRAINT fk_trials_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT ck_trials_state CHECK (state IN ('running', 'completed', 'failed', 'pruned', 'screened', 'duplicate')), 
	CONSTRAINT ck_trials_purpose CHECK (purpose IN ('baseline', 'search', 'confirmation', 'evaluation'))
);
INSERT INTO "trials" VALUES(1,1,1,'evaluation','completed',NULL,NULL,'{"model": "senet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"part":0,"seed":0,"train":5000,"validation":0}}',0,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": true}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,8.90637429508437494796e-01,5.0,10,10,0,3.07348280002770479768e-02,0.0,3.07348280002770479768e-02,41646.5646070465,NULL,NULL,NULL,0,0,NULL,10,1,'/records/evaluation/00001',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.276408','2026-11-30 04:28:10.276412','2026-11-30 04:28:10.369800','nomad_haet',8.91637429508437495684e-01,1.09362570491562505203e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,8.64006289993994869291e-02,NULL);
INSERT INTO "trials" VALUES(2,1,2,'evaluation','completed',NULL,NULL,'{"model": "resnet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"part":0,"seed":0,"train":5000,"validation":0}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 0}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": true}','resnet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,8.96033667450773174678e-01,5.0,10,10,0,3.38661129999309196136e-02,0.0,3.38661129999309196136e-02,3.77958934939658138321e+04,NULL,NULL,NULL,0,0,NULL,10,1,'/records/evaluation/00002',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.279627','2026-11-30 04:28:10.279629','2026-11-30 04:28:10.386962','nomad_haet',8.97033667450773175566e-01,1.03966332549226825321e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.04617541999687091447e-01,NULL);
INSERT INTO "trials" VALUES(3,1,3,'evaluation','completed',NULL,NULL,'{"model": "senet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":1,"subset":{"part":1,"seed":0,"train":5000,"validation":0}}',1,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 1}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 1, "device": "cpu", "precision": "auto", "test": true}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,8.92254347055825847156e-01,5.0,10,10,0,3.07586139997511054389e-02,0.0,3.07586139997511054389e-02,4.1614358826778006916e+04,NULL,NULL,NULL,1,0,NULL,10,1,'/records/evaluation/00003',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.374365','2026-11-30 04:28:10.374367','2026-11-30 04:28:10.511894','nomad_haet',8.93254347055825848045e-01,1.07745652944174152843e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.35060390000035113189e-01,NULL);
INSERT INTO "trials" VALUES(4,1,4,'evaluation','completed',NULL,NULL,'{"model": "resnet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":1,"subset":{"part":1,"seed":0,"train":5000,"validation":0}}',1,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 1}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 1, "device": "cpu", "precision": "auto", "test": true}','resnet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,8.98538483900388595948e-01,5.0,10,10,0,3.3379196000169031322e-02,0.0,3.3379196000169031322e-02,3.83472388008841808173e+04,NULL,NULL,NULL,1,0,NULL,10,1,'/records/evaluation/00004',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.393252','2026-11-30 04:28:10.393255','2026-11-30 04:28:10.486054','nomad_haet',8.99538483900388596836e-01,1.01461516099611404051e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,8.9947383999970043078e-02,NULL);
INSERT INTO "trials" VALUES(5,1,5,'evaluation','completed',NULL,NULL,'{"model": "senet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":2,"subset":{"part":2,"seed":0,"train":5000,"validation":0}}',2,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 2}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 2, "device": "cpu", "precision": "auto", "test": true}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,8.98147631655932143779e-01,5.0,10,10,0,3.34135679995597456581e-02,0.0,3.34135679995597456581e-02,3.83077916137799256834e+04,NULL,NULL,NULL,2,0,NULL,10,1,'/records/evaluation/00005',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.488232','2026-11-30 04:28:10.488234','2026-11-30 04:28:10.589742','nomad_haet',8.99147631655932144667e-01,1.0185236834406785622e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.09836883799926,NULL);
INSERT INTO "trials" VALUES(6,1,6,'evaluation','completed',NULL,NULL,'{"model": "resnet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":2,"subset":{"part":2,"seed":0,"train":5000,"validation":0}}',2,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 2}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 2, "device": "cpu", "precision": "auto", "test": true}','resnet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,0.896385374560895,5.0,10,10,0,3.07535860001735272817e-02,0.0,3.07535860001735272817e-02,4.1621162487938076083e+04,NULL,NULL,NULL,2,0,NULL,10,1,'/records/evaluation/00006',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.514496','2026-11-30 04:28:10.514498','2026-11-30 04:28:10.615489','nomad_haet',0.897385374560895,1.03614625439105045856e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9.21964579993073130026e-02,NULL);
INSERT INTO "trials" VALUES(7,1,7,'evaluation','running',NULL,NULL,'{"model": "senet18", "recipe": "nomad_haet"}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{},"network":"senet18","recipe":"nomad_haet","resolution":32,"seed":3,"subset":{"part":3,"seed":0,"train":5000,"validation":0}}',3,NULL,'{"protocol": 1, "model": "senet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 0, "seed": 0, "part": 3}, "recipe": "nomad_haet", "hyperparameters": {}, "budget": {"steps": 10}, "clock": "train", "seed": 3, "device": "cpu", "precision": "auto", "test": true}','senet18',1.0,1.0,1.0,NULL,NULL,NULL,NULL,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3,0,NULL,10,1,'/records/evaluation/00007',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:28:10.592118','2026-11-30 04:28:10.592121',NULL,'nomad_haet',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX ix_events_study_id ON events (study_id);
CREATE INDEX ix_trials_reason ON trials (reason);
CREATE INDEX ix_trials_network_key ON trials (network_key);
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
