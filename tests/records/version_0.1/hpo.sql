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
INSERT INTO "measurements" VALUES(1,0,1.0,2,0.2,6.14375300028768833726e-03,8.00000000000000155431e-02,4.92435569078585766433e-01,5.07564430921414233566e-01,4.92435569078585766433e-01);
INSERT INTO "measurements" VALUES(1,1,2.0,4,0.4,1.22693590001290431246e-02,0.06,2.6437216910991978569e-01,7.35627830890080214309e-01,2.6437216910991978569e-01);
INSERT INTO "measurements" VALUES(1,2,3.0,6,0.6,1.8397779000224545598e-02,4.00000000000000077715e-02,1.61896677848947345701e-01,8.38103322151052654298e-01,1.61896677848947345701e-01);
INSERT INTO "measurements" VALUES(1,3,4.0,8,0.8,0.0245342010002787,1.99999999999999969468e-02,1.15851471513251258471e-01,8.84148528486748741528e-01,1.15851471513251258471e-01);
INSERT INTO "measurements" VALUES(1,4,5.0,10,1.0,3.06704820004597422666e-02,0.0,9.51620266478693244138e-02,9.04837973352130675586e-01,9.51620266478693244138e-02);
INSERT INTO "measurements" VALUES(2,0,1.0,2,0.2,6.67883200003416277468e-03,4.05446951250803078181e+00,5.17808848652260289568e-01,4.82191151347739654919e-01,5.17808848652260289568e-01);
INSERT INTO "measurements" VALUES(2,1,2.0,4,0.4,1.28472110000075190328e-02,3.0408521343810233084e+00,3.01146398110690105553e-01,6.98853601889309894446e-01,3.01146398110690105553e-01);
INSERT INTO "measurements" VALUES(2,2,3.0,6,0.6,1.92664349997357930988e-02,2.0272347562540153909e+00,2.03793683645747458754e-01,7.96206316354252541245e-01,2.03793683645747458754e-01);
INSERT INTO "measurements" VALUES(2,3,4.0,8,0.8,2.54866819996095728129e-02,1.0136173781270074734e+00,1.60050289301215342696e-01,8.39949710698784657303e-01,1.60050289301215342696e-01);
INSERT INTO "measurements" VALUES(2,4,5.0,10,1.0,3.1658978000450588297e-02,0.0,1.40395115233415523903e-01,8.59604884766584476096e-01,1.40395115233415523903e-01);
INSERT INTO "measurements" VALUES(3,0,1.0,2,0.2,6.19116400048369541764e-03,4.63450773544630684197e-02,5.12693232976776602782e-01,4.87306767023223452728e-01,5.12693232976776602782e-01);
INSERT INTO "measurements" VALUES(3,1,2.0,4,0.4,1.2327145000199379865e-02,0.0347588080158473,2.93732188142919348194e-01,7.06267811857080651805e-01,2.93732188142919348194e-01);
INSERT INTO "measurements" VALUES(3,2,3.0,6,0.6,1.84529810003368766047e-02,2.31725386772315342098e-02,1.95346648685697843461e-01,8.04653351314302156538e-01,1.95346648685697843461e-01);
INSERT INTO "measurements" VALUES(3,3,4.0,8,0.8,2.45707550002407515421e-02,1.15862693386157636354e-02,1.5113917615727046062e-01,8.48860823842729539379e-01,1.5113917615727046062e-01);
INSERT INTO "measurements" VALUES(3,4,5.0,10,1.0,3.0677061999995203223e-02,0.0,1.31275478319831662155e-01,8.68724521680168337844e-01,1.31275478319831662155e-01);
INSERT INTO "measurements" VALUES(4,0,1.0,2,0.2,6.22520400065695866942e-03,4.64569757565746130345e-02,5.05409352288062940772e-01,4.94590647711937059227e-01,5.05409352288062940772e-01);
INSERT INTO "measurements" VALUES(4,1,2.0,4,0.4,1.23708200007968116551e-02,3.48427318174309580411e-02,2.83175448889592562551e-01,7.16824551110407437448e-01,2.83175448889592562551e-01);
INSERT INTO "measurements" VALUES(4,2,3.0,6,0.6,1.84907670000029611401e-02,2.32284878782873065172e-02,1.83319319283831161371e-01,8.16680680716168838628e-01,1.83319319283831161371e-01);
INSERT INTO "measurements" VALUES(4,3,4.0,8,0.8,2.46096020000550197437e-02,1.16142439391436497891e-02,1.38451068007319322283e-01,8.61548931992680677716e-01,1.38451068007319322283e-01);
INSERT INTO "measurements" VALUES(4,4,5.0,10,1.0,3.07471060004900209605e-02,0.0,1.18290463139493207123e-01,8.81709536860506792876e-01,1.18290463139493207123e-01);
INSERT INTO "measurements" VALUES(5,0,1.0,2,0.2,7.88734599973395233973e-03,2.42645941307693402411e-02,5.09868842476562389443e-01,4.90131157523437610556e-01,5.09868842476562389443e-01);
INSERT INTO "measurements" VALUES(5,1,2.0,4,0.4,1.40227270003379089757e-02,0.018198445598077,2.89638717184981353547e-01,7.10361282815018646452e-01,2.89638717184981353547e-01);
INSERT INTO "measurements" VALUES(5,2,3.0,6,0.6,2.38650210003470419906e-02,1.21322970653846701205e-02,1.90682943120309311701e-01,8.09317056879690688298e-01,1.90682943120309311701e-01);
INSERT INTO "measurements" VALUES(5,3,4.0,8,0.8,3.03620519998730742372e-02,6.06614853269233332555e-03,1.46219247666412477393e-01,8.53780752333587522606e-01,1.46219247666412477393e-01);
INSERT INTO "measurements" VALUES(5,4,5.0,10,1.0,3.64763509996919310651e-02,0.0,1.26240421447289419276e-01,8.73759578552710580723e-01,1.26240421447289419276e-01);
INSERT INTO "measurements" VALUES(6,0,1.0,2,0.2,6.12898100007441826164e-03,2.97122423206818871144e-02,5.09344641635469552731e-01,4.90655358364530447268e-01,5.09344641635469552731e-01);
INSERT INTO "measurements" VALUES(6,1,2.0,4,0.4,1.83237680003003333695e-02,2.22841817405114127337e-02,2.8887897772297088661e-01,7.11121022277029113389e-01,2.8887897772297088661e-01);
INSERT INTO "measurements" VALUES(6,2,3.0,6,0.6,2.44704750002711080014e-02,1.48561211603409435572e-02,1.89817369333752372639e-01,8.1018263066624762736e-01,1.89817369333752372639e-01);
INSERT INTO "measurements" VALUES(6,3,4.0,8,0.8,3.06390949999695294536e-02,0.00742806058017047,0.145306119452439,0.854693880547561,0.145306119452439);
INSERT INTO "measurements" VALUES(6,4,5.0,10,1.0,3.6742768000294745434e-02,0.0,1.25305925651705729606e-01,8.74694074348294270393e-01,1.25305925651705729606e-01);
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
INSERT INTO "requests" VALUES(1,'hpo','hpo','resnet18','{"data": "fake:sleep=0.03", "budget": "10steps", "device": "cpu", "slots": 2, "trials": 16, "solver": "random", "audit": 1.0}','ended',NULL,NULL,'2026-11-30 04:27:51.399619',NULL,NULL);
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
INSERT INTO "studies" VALUES(1,'hpo','hpo','{"subject": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "training": {"network": "resnet18", "dataset": "fake", "train_images": 5000, "validation_images": 1000, "budget": {"steps": 10}, "seed": 0, "recipe": "nomad_haet", "hyperparameters": {}, "image_size": null, "clock": "train", "precision": "auto", "device": "cpu", "fingerprint": "fake-1"}, "space": [{"kind": "real", "name": "learning_rate", "low": 0.001, "high": 0.6, "log": false, "granularity": null}, {"kind": "choice", "name": "weight_decay", "values": [0.0, 5e-05, 0.0005, 0.005, 0.05, 0.5], "ordered": true}, {"kind": "choice", "name": "optimizer", "values": ["adadelta", "adagrad", "sgd", "adam", "adamw", "adamax", "asgd"], "ordered": false}, {"kind": "choice", "name": "batch_size", "values": [128, 256, 512], "ordered": true}], "solver": {"name": "random", "block": 2, "versions": {}}, "trainer": "python tests/fake_trainer.py", "early_stop": {"level": 0.05, "audit": 1.0}, "confirmation": {"most": 6, "level": 0.95}}',16,'running',NULL,NULL,NULL,NULL,NULL,'{"nomad-nas": "0.1.0", "torch": "2.14.1", "torchvision": "0.29.1", "PyNomadBBO": "4.6.0", "optuna": "5.0.0", "sqlalchemy": "2.1.9", "numpy": "2.4.6"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.394965','2026-11-30 04:27:51.393976',NULL,'accuracy',NULL,2,'2026-11-30 04:27:51.393976');
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
	CONSTRAINT ck_trials_state CHECK (state IN ('running', 'completed', 'failed', 'pruned', 'screened', 'duplicate')), 
	CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT ck_trials_purpose CHECK (purpose IN ('baseline', 'search', 'confirmation', 'evaluation'))
);
INSERT INTO "trials" VALUES(1,1,1,'search','completed',NULL,NULL,'{"learning_rate": 0.1, "weight_decay": 0.0005, "optimizer": "sgd", "batch_size": 128}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":128,"learning_rate":0.1,"optimizer":"sgd","weight_decay":0.0005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 0.1, "weight_decay": 0.0005, "optimizer": "sgd", "batch_size": 128}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'sgd',0.1,0.0005,128,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,9.04837973352130675586e-01,9.51620266478693244138e-02,NULL,5.0,10,10,0,3.07053639999139704741e-02,0.0,3.07053639999139704741e-02,4.16865274745997594447e+04,NULL,9.51620266478693244138e-02,'[]',0,0,NULL,10,1,'/records/hpo/00001',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.506422','2026-11-30 04:27:51.506426','2026-11-30 04:27:51.651154','nomad_haet',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.32557808999990811571e-01,NULL);
INSERT INTO "trials" VALUES(2,1,2,'search','completed',NULL,NULL,'{"learning_rate": 0.5068086890635038, "weight_decay": 0.005, "optimizer": "adadelta", "batch_size": 256}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":256,"learning_rate":5.068086890635039,"optimizer":"adadelta","weight_decay":0.005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 5.068086890635039, "weight_decay": 0.005, "optimizer": "adadelta", "batch_size": 256}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'adadelta',5.06808689063503869931e+00,0.005,256,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.59604884766584476096e-01,1.40395115233415523903e-01,NULL,5.0,10,10,0,3.17133990001821075566e-02,0.0,3.17133990001821075566e-02,40361.4888455397,NULL,1.40395115233415523903e-01,'[]',0,0,NULL,10,1,'/records/hpo/00002',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.516225','2026-11-30 04:27:51.516227','2026-11-30 04:27:51.667723','nomad_haet',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.46098905000144441146e-01,NULL);
INSERT INTO "trials" VALUES(3,1,3,'search','completed',NULL,NULL,'{"learning_rate": 0.5793134669307883, "weight_decay": 0.005, "optimizer": "adam", "batch_size": 256}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":256,"learning_rate":0.05793134669307883,"optimizer":"adam","weight_decay":0.005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 0.05793134669307883, "weight_decay": 0.005, "optimizer": "adam", "batch_size": 256}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'adam',5.79313466930788320552e-02,0.005,256,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.68724521680168337844e-01,1.31275478319831662155e-01,NULL,5.0,10,10,0,3.07046529997023753821e-02,0.0,3.07046529997023753821e-02,4.16874927722650754713e+04,NULL,1.31275478319831662155e-01,'[]',0,0,NULL,10,1,'/records/hpo/00003',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.674177','2026-11-30 04:27:51.674180','2026-11-30 04:27:51.803604','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.25238566000007267575e-01,NULL);
INSERT INTO "trials" VALUES(4,1,4,'search','completed',NULL,NULL,'{"learning_rate": 0.5807121969571827, "weight_decay": 0.0005, "optimizer": "adamw", "batch_size": 128}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":128,"learning_rate":0.05807121969571826,"optimizer":"adamw","weight_decay":0.0005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 0.05807121969571826, "weight_decay": 0.0005, "optimizer": "adamw", "batch_size": 128}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'adamw',5.8071219695718261089e-02,0.0005,128,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.81709536860506792876e-01,1.18290463139493207123e-01,NULL,5.0,10,10,0,3.07818680003038025461e-02,0.0,3.07818680003038025461e-02,4.15829214779092362717e+04,NULL,1.18290463139493207123e-01,'[]',0,0,NULL,10,1,'/records/hpo/00004',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.676724','2026-11-30 04:27:51.676726','2026-11-30 04:27:51.818835','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.30818546000227797776e-01,NULL);
INSERT INTO "trials" VALUES(5,1,5,'search','completed',NULL,NULL,'{"learning_rate": 0.30330742663461674, "weight_decay": 0.0005, "optimizer": "adagrad", "batch_size": 128}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":128,"learning_rate":0.030330742663461672,"optimizer":"adagrad","weight_decay":0.0005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 0.030330742663461672, "weight_decay": 0.0005, "optimizer": "adagrad", "batch_size": 128}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'adagrad',3.03307426634616718319e-02,0.0005,128,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.73759578552710580723e-01,1.26240421447289419276e-01,NULL,5.0,10,10,0,3.65021790003083879128e-02,0.0,3.65021790003083879128e-02,3.50663997343606752103e+04,NULL,1.26240421447289419276e-01,'[]',0,0,NULL,10,1,'/records/hpo/00005',0,'vm','cpu-0','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.835039','2026-11-30 04:27:51.835044','2026-11-30 04:27:51.949117','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.10768511000060243532e-01,NULL);
INSERT INTO "trials" VALUES(6,1,6,'search','completed',NULL,NULL,'{"learning_rate": 0.3714030290085236, "weight_decay": 0.0005, "optimizer": "adamw", "batch_size": 512}','{"blocks":[2,2,2,2],"channels":[64,128,256,512],"hyperparameters":{"batch_size":512,"learning_rate":0.03714030290085236,"optimizer":"adamw","weight_decay":0.0005},"network":"resnet18","recipe":"nomad_haet","resolution":32,"seed":0,"subset":{"seed":0,"train":5000,"validation":1000}}',0,NULL,'{"protocol": 1, "model": "resnet18", "scale": {"depth": 1.0, "width": 1.0, "resolution": 1.0}, "dataset": "fake:sleep=0.03", "image_size": null, "data_dir": null, "subset": {"train": 5000, "validation": 1000, "seed": 0}, "recipe": "nomad_haet", "hyperparameters": {"learning_rate": 0.03714030290085236, "weight_decay": 0.0005, "optimizer": "adamw", "batch_size": 512}, "budget": {"steps": 10}, "clock": "train", "seed": 0, "device": "cpu", "precision": "auto", "test": false}','resnet18',1.0,1.0,1.0,'adamw',3.71403029008523580256e-02,0.0005,512,603979776,12533760,'[64, 128, 256, 512]','[2, 2, 2, 2]',32,8.74694074348294270393e-01,1.25305925651705729606e-01,NULL,5.0,10,10,0,0.0367700690003403,0.0,0.0367700690003403,3.4810921893786871805e+04,NULL,1.25305925651705729606e-01,'[]',0,0,NULL,10,1,'/records/hpo/00006',0,'vm','cpu-1','cpu','fake',NULL,'{"python": "3.11.7"}','122c1a7f67ef6de20b42db3f6fe3312c077cfb43','2026-11-30 04:27:51.839093','2026-11-30 04:27:51.839097','2026-11-30 04:27:51.980388','nomad_haet',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1.38150517999747535213e-01,NULL);
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
