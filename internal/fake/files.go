package fake

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// maxEntries bounds the reply of ListDir.
const maxEntries = 200_000

// FileType is what an [Entry] is.
type FileType int

// The types of files. The numbers are those of E2B's protocol.
const (
	TypeOther FileType = iota
	TypeFile
	TypeDirectory
	TypeSymlink
)

// An Entry describes a file. For a symbolic link the type, size and mode are
// those of the target, where there is one.
type Entry struct {
	Name          string
	Path          string // absolute, in the words of who asked
	Type          FileType
	Size          int64
	Mode          fs.FileMode
	Permissions   string // such as "-rw-r--r--"
	Owner, Group  string
	ModTime       time.Time
	SymlinkTarget string // or empty
	Metadata      map[string]string
}

// A File is a file that is open for reading. Reading it fails when the
// sandbox is killed.
type File struct {
	*os.File

	sandbox *Sandbox
}

// Read reads from the file.
func (f *File) Read(b []byte) (int, error) {
	select {
	case <-f.sandbox.gone:
		return 0, errEdge(f.sandbox.id)
	default:
		return f.File.Read(b)
	}
}

// Open opens a regular file. It returns an [e2b.ErrFileNotFound], and an
// [e2b.ErrInvalidArgument] for a directory.
func (s *Sandbox) Open(name, user string) (*File, *Entry, error) {
	if err := s.hold(); err != nil {
		return nil, nil, err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, true)
	if err != nil {
		return nil, nil, err
	}
	// A pipe without a writer would block.
	f, err := s.root.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fileError(err, s.name(at))
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errInvalid("path '%s' is not a regular file", s.name(at))
		if fi.IsDir() {
			err = errInvalid("path '%s' is a directory", s.name(at))
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, fileError(err, s.name(at))
	}
	entry, err := s.entry(at)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return &File{File: f, sandbox: s}, entry, nil
}

// WriteFile writes what it reads from r into a file: missing directories are
// made, a new file has mode 0644, an existing one keeps its mode and is
// truncated first. When reading fails it returns that error, and what came
// before is in the file.
func (s *Sandbox) WriteFile(name, user string, r io.Reader) (*Entry, error) {
	f, at, err := s.create(name, user)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, maxChunk)
	_, err = io.CopyBuffer(uploadWriter{f, s}, struct{ io.Reader }{r}, buf)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fileError(err, s.name(at))
	}
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	return s.entry(at)
}

// uploadWriter writes to a file as long as the sandbox lives.
type uploadWriter struct {
	f *os.File
	s *Sandbox
}

func (w uploadWriter) Write(b []byte) (int, error) {
	select {
	case <-w.s.gone:
		return 0, errEdge(w.s.id)
	default:
		return w.f.Write(b)
	}
}

// create opens a file for writing.
func (s *Sandbox) create(name, user string) (*os.File, place, error) {
	if err := s.hold(); err != nil {
		return nil, place{}, err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, true)
	if err != nil {
		return nil, at, err
	}
	fi, err := s.root.Stat(file)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil && !fi.Mode().IsRegular() {
		if fi.IsDir() {
			return nil, at, errInvalid("path is a directory: %s", s.name(at))
		}
		return nil, at, errInvalid("path is not a regular file: %s", s.name(at))
	}
	if err := s.root.MkdirAll(path.Dir(file), 0o755); err != nil {
		return nil, at, fileError(err, s.name(at))
	}
	f, err := s.root.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, at, fileError(err, s.name(at))
	}
	if fresh {
		// Whatever the umask of this program is.
		if err := f.Chmod(0o644); err != nil {
			_ = f.Close()
			return nil, at, fileError(err, s.name(at))
		}
	}
	return f, at, nil
}

// SetMetadata replaces the metadata of a file, which lasts as long as the file
// is not moved or removed by a process.
func (s *Sandbox) SetMetadata(name, user string, metadata map[string]string) error {
	if err := s.hold(); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	_, file, err := s.follow(name, user, true)
	if err != nil {
		return err
	}
	s.meta.put(file, metadata)
	return nil
}

// Stat describes a file, or returns an [e2b.ErrFileNotFound].
func (s *Sandbox) Stat(name, user string) (*Entry, error) {
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	at, err := s.locate(name, user)
	if err != nil {
		return nil, err
	}
	return s.entry(at)
}

// ListDir describes the files in a directory, and in those below it down to
// depth, of which 0 means 1. Symbolic links to directories are not followed.
func (s *Sandbox) ListDir(name, user string, depth int) ([]*Entry, error) {
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, true)
	if err != nil {
		return nil, err
	}
	if fi, err := s.root.Stat(file); err != nil {
		return nil, fileError(err, s.name(at))
	} else if !fi.IsDir() {
		return nil, errInvalid("path is not a directory: %s", s.name(at))
	}
	return s.list(nil, at, file, max(depth, 1))
}

func (s *Sandbox) list(entries []*Entry, at place, file string, depth int) ([]*Entry, error) {
	dir, err := fs.ReadDir(s.root.FS(), file)
	if err != nil {
		return nil, fileError(err, s.name(at))
	}
	for _, d := range dir {
		child := at.join(d.Name())
		entry, err := s.entry(child)
		if errors.Is(err, e2b.ErrFileNotFound) {
			continue // it was removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if len(entries) >= maxEntries {
			return nil, errInvalid("more than %d files", maxEntries)
		}
		entries = append(entries, entry)
		if d.IsDir() && depth > 1 {
			entries, err = s.list(entries, child, path.Join(file, d.Name()), depth-1)
			if err != nil && !errors.Is(err, e2b.ErrFileNotFound) {
				return nil, err
			}
		}
	}
	return entries, nil
}

// MakeDir makes a directory and those above it. Where there is a directory the
// error has the code "already_exists", and where there is a file
// "invalid_argument".
func (s *Sandbox) MakeDir(name, user string) (*Entry, error) {
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, true)
	if err != nil {
		return nil, err
	}
	if fi, err := s.root.Stat(file); err == nil {
		if fi.IsDir() {
			return nil, &e2b.Error{
				Kind: e2b.ErrConflict, Status: http.StatusConflict, Code: "already_exists",
				Message: "directory already exists: " + s.name(at),
			}
		}
		return nil, errInvalid("path already exists but it is not a directory: %s", s.name(at))
	}
	if err := s.root.MkdirAll(file, 0o755); err != nil {
		return nil, fileError(err, s.name(at))
	}
	return s.entry(at)
}

// Move renames a file or directory, and makes the directories above the
// destination. It overwrites as rename(2) does.
func (s *Sandbox) Move(source, destination, user string) (*Entry, error) {
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	from, realFrom, err := s.follow(source, user, false)
	if err != nil {
		return nil, err
	}
	to, realTo, err := s.follow(destination, user, false)
	if err != nil {
		return nil, err
	}
	if _, err := s.root.Lstat(realFrom); err != nil {
		return nil, fileError(err, s.name(from))
	}
	if err := s.root.MkdirAll(path.Dir(realTo), 0o755); err != nil {
		return nil, fileError(err, s.name(to))
	}
	if err := s.root.Rename(realFrom, realTo); err != nil {
		return nil, fileError(err, s.name(to))
	}
	s.meta.move(realFrom, realTo)
	return s.entry(to)
}

// Remove removes a file, or a directory with all that is in it. A missing one
// is no error.
func (s *Sandbox) Remove(name, user string) error {
	if err := s.hold(); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	at, file, err := s.follow(name, user, false)
	if err != nil {
		return err
	}
	if file == "." {
		return errInvalid("path cannot be removed: %s", s.name(at))
	}
	if err := s.root.RemoveAll(file); err != nil {
		return fileError(err, s.name(at))
	}
	s.meta.remove(file)
	return nil
}

// follow locates a file and follows the symbolic links on the way to it.
func (s *Sandbox) follow(name, user string, last bool) (at place, file string, err error) {
	if at, err = s.locate(name, user); err != nil {
		return at, "", err
	}
	if file, err = s.walk(at.rel, last); err != nil {
		return at, "", fileError(err, s.name(at))
	}
	return at, file, nil
}

// entry describes the file at a place.
func (s *Sandbox) entry(at place) (*Entry, error) {
	link, err := s.walk(at.rel, false)
	if err != nil {
		return nil, fileError(err, s.name(at))
	}
	fi, err := s.root.Lstat(link)
	if err != nil {
		return nil, fileError(err, s.name(at))
	}
	e := &Entry{Name: path.Base(s.name(at)), Path: s.name(at), Owner: "user", Group: "user"}
	file := link
	if fi.Mode()&fs.ModeSymlink != 0 {
		target, err := s.walk(at.rel, true)
		if err == nil {
			if there, err := s.root.Lstat(target); err == nil {
				fi, file = there, target
			}
		}
		e.SymlinkTarget = s.name(place{rel: cmp.Or(target, link), host: at.host})
	}
	e.Type, e.Size, e.Mode, e.ModTime = typeOf(fi.Mode()), fi.Size(), fi.Mode(), fi.ModTime()
	e.Permissions = fi.Mode().String()
	e.Metadata = s.meta.get(file)
	return e, nil
}

func typeOf(mode fs.FileMode) FileType {
	switch {
	case mode.IsDir():
		return TypeDirectory
	case mode&fs.ModeSymlink != 0: // to nothing
		return TypeSymlink
	case mode.IsRegular():
		return TypeFile
	}
	return TypeOther
}

// fileError makes an [*e2b.Error] of what the file system says.
func fileError(err error, name string) error {
	if e, ok := errors.AsType[*e2b.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &e2b.Error{
			Kind: e2b.ErrFileNotFound, Status: http.StatusNotFound, Code: "not_found",
			Message: fmt.Sprintf("path '%s' does not exist", name),
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errFull()
	case slices.ContainsFunc(
		[]error{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENOTEMPTY, syscall.EINVAL, fs.ErrInvalid, fs.ErrExist},
		func(target error) bool { return errors.Is(err, target) }):
		return errInvalid("%s: %v", name, cause(err))
	}
	return errInternal(err)
}

// cause takes the paths of this machine off an error.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
