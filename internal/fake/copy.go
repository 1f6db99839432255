package fake

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// copyTree copies what is in one directory into another that exists, with
// modes, times and symbolic links. Hard links become files of their own, and
// sockets, pipes and devices are left out. A file that disappears meanwhile is
// no error.
func copyTree(ctx context.Context, from, to string) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }()
	c := copier{src: src, dst: dst}
	if err := fs.WalkDir(src.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = c.copy(name, d)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	return c.finish()
}

type copier struct {
	src, dst *os.Root
	dirs     []copiedDir
}

// copiedDir is a directory whose mode and times are set at the end, since its
// files are still to be made.
type copiedDir struct {
	name string
	info fs.FileInfo
}

func (c *copier) copy(name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		c.dirs = append(c.dirs, copiedDir{name, info})
		if name == "." {
			return nil
		}
		return c.dst.Mkdir(name, 0o700)
	case mode&fs.ModeSymlink != 0:
		return c.link(name)
	case mode.IsRegular():
		return c.file(name, info)
	}
	return nil
}

// link copies a symbolic link. One into the directory that is copied, by its
// path on this machine, leads into the copy.
func (c *copier) link(name string) error {
	target, err := c.src.Readlink(name)
	if err != nil {
		return err
	}
	if rel, ok := cutDir(target, c.src.Name()); ok {
		target = filepath.Join(c.dst.Name(), rel)
	}
	return c.dst.Symlink(target, name)
}

func (c *copier) file(name string, info fs.FileInfo) error {
	r, err := c.src.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := c.dst.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = c.dst.Chmod(name, info.Mode())
	}
	if err == nil {
		err = c.dst.Chtimes(name, time.Time{}, info.ModTime())
	}
	return err
}

// finish sets what the files in the directories would have changed, innermost
// first.
func (c *copier) finish() error {
	for _, d := range slices.Backward(c.dirs) {
		if err := c.dst.Chmod(d.name, d.info.Mode()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := c.dst.Chtimes(d.name, time.Time{}, d.info.ModTime()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeWritable gives the owner all rights to every directory below dir, which
// removing what is in them needs.
func makeWritable(dir string) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			//nolint:gosec // about to be removed; a link in between costs a mode bit
			_ = os.Chmod(name, 0o700)
		}
		if err != nil && d != nil && d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
}
