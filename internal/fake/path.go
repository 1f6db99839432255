package fake

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// A place is a file of the sandbox.
type place struct {
	rel string // from the directory of the sandbox, clean, "." for itself

	// host says that it was named by its path on this machine, as programs in
	// the sandbox print it where they have no mount namespace of their own.
	host bool
}

// home is the home directory of a user.
func home(user string) string {
	if user == "root" {
		return "/root"
	}
	return "/home/user"
}

// locate finds the file that a caller names: absolute, "~", or relative to the
// home directory of the user. ".." does not lead out of the sandbox.
func (s *Sandbox) locate(name, user string) (place, error) {
	if err := checkUser(user); err != nil {
		return place{}, err
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return place{}, errInvalid("invalid path %q", name)
	}
	switch {
	case name == "~" || strings.HasPrefix(name, "~/"):
		name = home(user) + name[1:]
	case !strings.HasPrefix(name, "/"):
		name = home(user) + "/" + name
	}
	name = path.Clean(name)
	if rel, ok := cutDir(name, s.dir); ok {
		return place{rel: rel, host: true}, nil
	}
	return place{rel: inRoot(name)}, nil
}

// name is the absolute path of a place, in the words of who asked.
func (s *Sandbox) name(at place) string {
	if at.host {
		return path.Join(s.dir, at.rel)
	}
	return path.Join("/", at.rel)
}

func (at place) join(name string) place { return place{rel: path.Join(at.rel, name), host: at.host} }

// inRoot makes an absolute path relative.
func inRoot(name string) string {
	if rel := strings.TrimPrefix(path.Clean(name), "/"); rel != "" {
		return rel
	}
	return "."
}

// cutDir cuts dir off the front of name.
func cutDir(name, dir string) (rel string, ok bool) {
	if name == dir {
		return ".", true
	}
	rel, ok = strings.CutPrefix(name, dir+"/")
	return rel, ok
}

// maxLinks is how many symbolic links Linux follows in one path.
const maxLinks = 40

// walk follows the symbolic links in rel, with the sandbox as their "/", and
// returns a path without any; the last element is followed where last is set.
// From an element that does not exist the rest is taken as it is. The path is
// used with s.root, which refuses to be led out should a link come in between.
func (s *Sandbox) walk(rel string, last bool) (string, error) {
	done, rest := ".", strings.Split(rel, "/")
	for links := 0; len(rest) > 0; {
		elem := rest[0]
		rest = rest[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, elem)
		fi, err := s.root.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return path.Join(next, inRoot("/"+strings.Join(rest, "/"))), nil
		}
		if err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 || len(rest) == 0 && !last {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		target, err := s.root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done, target = ".", s.fromProcess(target)
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}

// fromProcess makes an absolute path that a process has written relative to
// the directory of the sandbox.
func (s *Sandbox) fromProcess(name string) string {
	name = path.Clean(name)
	if rel, ok := cutDir(name, s.dir); ok {
		return rel
	}
	if rel, ok := cutDir(name, nsRoot); ok && s.ns != nil {
		return rel
	}
	return inRoot(name)
}

// inside is how processes name the file that is at name in the sandbox.
func (s *Sandbox) inside(name string) string {
	if s.ns == nil {
		return path.Join(s.dir, name)
	}
	for _, dir := range s.ns.mounted {
		if _, ok := cutDir(name, dir); ok {
			return name
		}
	}
	return path.Join(nsRoot, name)
}

// outside is where the file is on this machine that processes name so.
func (s *Sandbox) outside(name string) string {
	if s.ns == nil {
		return name
	}
	if rel, ok := cutDir(name, nsRoot); ok {
		return path.Join(s.dir, rel)
	}
	for _, dir := range s.ns.mounted {
		if _, ok := cutDir(name, dir); ok {
			return path.Join(s.dir, name)
		}
	}
	return name
}
