package monitoring

import (
	"testing"
	"time"
)

func guideExamples(t *testing.T, p *proof, at time.Time) { t.Helper() }
