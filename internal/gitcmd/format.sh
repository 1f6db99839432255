# The fields of a commit, each ended by a NUL.
format='tformat:%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B'
git_config log.date raw
