package fake

import (
	"maps"
	"sync"
)

// fields are the metadata of one file.
type fields = map[string]string

// fileMetadata is what E2B keeps in extended attributes. Not every directory
// for temporary files has those, so it is kept beside the files, by their path
// without symbolic links.
type fileMetadata struct {
	mu sync.Mutex
	m  map[string]fields
}

func (t *fileMetadata) set(all map[string]fields) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m = make(map[string]fields, len(all))
	maps.Copy(t.m, all)
}

func (t *fileMetadata) all() map[string]fields {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.m)
}

func (t *fileMetadata) get(name string) fields {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.m[name])
}

func (t *fileMetadata) put(name string, f fields) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, name)
	if len(f) > 0 {
		t.m[name] = maps.Clone(f)
	}
}

func (t *fileMetadata) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.m, func(k string, _ fields) bool {
		_, ok := cutDir(k, name)
		return ok
	})
}

func (t *fileMetadata) move(from, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := make(map[string]fields)
	for k, f := range t.m {
		if rel, ok := cutDir(k, from); ok {
			delete(t.m, k)
			if rel == "." {
				moved[to] = f
			} else {
				moved[to+"/"+rel] = f
			}
		}
	}
	maps.Copy(t.m, moved)
}
