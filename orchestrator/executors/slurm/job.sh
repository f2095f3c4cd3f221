#!/bin/sh
# What sbatch submits. Folder and command come as arguments, so that no shell ever reads them as words of its own;
# the log is opened here, because sbatch would read a % in its path.
cd -- "$1" || exit 1
shift
exec "$@" >slurm.log 2>&1
