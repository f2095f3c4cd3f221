#!/bin/sh
# The case study of docs/case-study.md, in a folder with cifar10.npz.
set -e
export NAS_DB=case.db
nas-search --base senet18 --base-width .25 --data npz:cifar10.npz --train-images 5000 --validation-images 5000 \
    --budget 1200steps --ingredient auto_augment=null --ingredient cutout=null --trials 20 --tolerance .01 \
    --study case-nas
hpo-search --model nomad_senet18 --data npz:cifar10.npz --train-images 5000 --validation-images 5000 \
    --budget 1200steps --ingredient auto_augment={} --ingredient cutout={} --trials 12 --study case-hpo
nas-evaluate --model senet18@case-nas --model nomad_senet18 --model tuned_nomad_senet18 --data npz:cifar10.npz \
    --budget 1200steps --runs 5 --study case-evaluate
nas-evaluate --model nomad_senet18 --data npz:cifar10.npz --budget 1200steps --runs 5 \
    --ingredient auto_augment={} --ingredient cutout={} --study case-augmented
nas-evaluate --model nomad_senet18 --data npz:cifar10.npz --budget 1200steps --runs 2 --batch-size 256 \
    --ingredient auto_augment={} --ingredient cutout={} --study case-batch
