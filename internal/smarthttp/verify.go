package smarthttp

import "errors"

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
// nil where New is not in the pack.
func (p *Pack) Verify(opts *VerifyOptions) (*Protected, error) {
	return nil, errors.ErrUnsupported
}
