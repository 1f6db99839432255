# The fields of a commit, each ended by a NUL.
format='tformat:%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B'
export GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
export "GIT_CONFIG_KEY_$((GIT_CONFIG_COUNT - 1))=log.date" "GIT_CONFIG_VALUE_$((GIT_CONFIG_COUNT - 1))=raw"
