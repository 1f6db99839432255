package smarthttp

import (
	"errors"
	"maps"
	"slices"
)

// VerifyOptions say what [Pack.Verify] checks against. All of it comes from the
// remote or from the caller, nothing from the origin of the pack.
type VerifyOptions struct {
	// New is the commit to publish. Old is the value of the ref, or [ZeroID].
	New, Old string

	// Known are commits that the remote named, that were relayed from it, or
	// that were pushed to it. Old counts as known.
	Known []string

	// Bases are the states of the protected paths that a commit may have:
	// those of the tips that the work began from. Where the pack was read
	// with protected paths and there are no bases, every commit is refused.
	Bases []*Protected
}

// Verify checks that New may be published, or returns the [*Violation]:
//
//   - New is a commit of the pack or is known.
//   - Every commit that New leads to, up to the known ones, is in the pack.
//   - Old is one of them.
//   - Each of those in the pack has its protected paths exactly as one of
//     the bases.
//
// It returns the protected paths of New, for use as a base of later pushes, or
// nil where New is known already.
func (p *Pack) Verify(opts *VerifyOptions) (*Protected, error) {
	head, ok := parseOID(opts.New)
	if !ok || head == (oid{}) {
		return nil, invalid("new object ID " + quote(opts.New))
	}
	old, ok := parseOID(opts.Old)
	if !ok {
		return nil, invalid("old object ID " + quote(opts.Old))
	}
	known := make(map[oid]bool, len(opts.Known)+1)
	for _, s := range opts.Known {
		id, ok := parseOID(s)
		if !ok || id == (oid{}) {
			return nil, invalid("known object ID " + quote(s))
		}
		known[id] = true
	}
	if old != (oid{}) {
		known[old] = true
	}
	v := &verifier{pack: p, proven: make(map[provenTree][]treeEntry)}
	for _, base := range opts.Bases {
		if err := base.validate(p.matcher); err != nil {
			return nil, err
		}
		v.addBase(base)
	}

	history, oldSeen, err := p.history(head, old, known)
	if err != nil {
		return nil, err
	}
	if old != (oid{}) && !oldSeen {
		return nil, &Violation{
			Rule: RuleFastForward, Commit: opts.New,
			Detail: "its history does not lead to " + opts.Old + ", where the branch is",
		}
	}
	var newest *Protected
	for _, id := range history {
		protected, err := v.commit(id)
		if err != nil {
			return nil, err
		}
		if id == head {
			newest = protected
		}
	}
	return newest, nil
}

// history returns the commits that head leads to and that are not known, and
// whether it leads to old.
func (p *Pack) history(head, old oid, known map[oid]bool) ([]oid, bool, error) {
	p.addAncestors(known)
	var history []oid
	seen := map[oid]bool{head: true}
	for next := []oid{head}; len(next) > 0; {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		c, ok := p.commits[id]
		if !ok && !known[id] {
			detail := "commit is neither in the pack nor known to be on the remote"
			return nil, false, &Violation{Rule: RuleForeign, Commit: id.String(), Detail: detail}
		}
		if !known[id] {
			history = append(history, id)
		}
		if !ok {
			continue
		}
		for _, parent := range c.parents {
			// The way to old can lead through a known commit that the pack
			// holds as well.
			if _, sent := p.commits[parent]; !seen[parent] && (sent || known[parent] || !known[id]) {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return history, seen[old], nil
}

// addAncestors makes known what the pack shows to be behind a known commit: it
// is on the remote too.
func (p *Pack) addAncestors(known map[oid]bool) {
	for next := slices.Collect(maps.Keys(known)); len(next) > 0; {
		c, ok := p.commits[next[len(next)-1]]
		next = next[:len(next)-1]
		if !ok {
			continue
		}
		for _, parent := range c.parents {
			if !known[parent] {
				known[parent] = true
				next = append(next, parent)
			}
		}
	}
}

// A provenTree is a tree at a path in a base. What it holds is known only as
// far as it matters at that path.
type provenTree struct {
	id  oid
	dir string // folded, with a slash at the end
}

type verifier struct {
	pack   *Pack
	proven map[provenTree][]treeEntry
	bases  []map[string]Entry // the leaves of each

	// allowed are root trees that were compared already.
	allowed map[oid]*Protected
}

// addBase makes the trees of a base known.
func (v *verifier) addBase(base *Protected) {
	m := v.pack.matcher
	v.bases = append(v.bases, m.leaves(base))
	list := func(id, dir, exact string) {
		tree, ok := parseOID(id)
		if !ok {
			return
		}
		entries := []treeEntry{}
		for path, e := range base.Entries {
			name, ok := childOf(path, exact)
			if !ok {
				continue
			}
			child, _ := parseOID(e.ID)
			entries = append(entries, treeEntry{mode: e.Mode, name: name, id: child})
		}
		v.proven[provenTree{tree, dir}] = entries
	}
	list(base.Tree, "", "")
	for path, e := range base.Entries {
		if e.Mode == modeTree && m.onWay(path) {
			list(e.ID, asciiLower(path)+"/", path+"/")
		}
	}
}

// childOf returns the name of path in the directory dir, which is empty or ends
// in a slash, where it is directly in it.
func childOf(path, dir string) (string, bool) {
	if len(path) <= len(dir) || path[:len(dir)] != dir {
		return "", false
	}
	name := path[len(dir):]
	for i := range len(name) {
		if name[i] == '/' {
			return "", false
		}
	}
	return name, true
}

// commit checks the protected paths of a commit of the pack.
func (v *verifier) commit(id oid) (*Protected, error) {
	root := v.pack.commits[id].tree
	if p, ok := v.allowed[root]; ok {
		same := *p
		same.Commit = id.String()
		return &same, nil
	}
	m := v.pack.matcher
	protected, err := m.collect(id.String(), root, func(tree oid, dir string) ([]treeEntry, error) {
		if entries, ok := v.pack.trees[tree]; ok {
			return entries, nil
		}
		if entries, ok := v.proven[provenTree{tree, asciiLower(dir)}]; ok {
			return entries, nil
		}
		return nil, &Violation{
			Rule: RuleProtected, Commit: id.String(), Path: dir,
			Detail: "tree " + tree.String() + " is neither in the pack nor one of the base",
		}
	})
	if err != nil {
		return nil, err
	}
	if err := v.compare(protected); err != nil {
		return nil, err
	}
	if v.allowed == nil {
		v.allowed = make(map[oid]*Protected)
	}
	v.allowed[root] = protected
	return protected, nil
}

// compare checks that a commit has the protected entries of one of the bases.
func (v *verifier) compare(protected *Protected) error {
	if len(v.pack.matcher.parts) == 0 {
		return nil
	}
	leaves := v.pack.matcher.leaves(protected)
	var first *Violation
	for _, base := range v.bases {
		if maps.Equal(leaves, base) {
			return nil
		}
		if first == nil {
			first = difference(protected.Commit, leaves, base)
		}
	}
	if first == nil {
		return errors.New("no base to compare protected paths with")
	}
	return first
}

// difference names the first path at which a commit differs from a base.
func difference(commit string, got, base map[string]Entry) *Violation {
	v := &Violation{Rule: RuleProtected, Commit: commit}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		was, ok := base[path]
		if ok && was == got[path] {
			continue
		}
		v.Path, v.Detail = path, "protected path is changed"
		if !ok {
			v.Detail = "protected path is added"
		}
		return v
	}
	for _, path := range slices.Sorted(maps.Keys(base)) {
		if _, ok := got[path]; !ok {
			v.Path, v.Detail = path, "protected path is removed"
			return v
		}
	}
	return v
}
