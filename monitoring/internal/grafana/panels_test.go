package grafana

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	t.Parallel()
	panels, err := Read([]byte(`{"panels": [{"title": "A", "type": "stat", "targets": [{"expr": "up", "legendFormat": "{{job}}"}],
		"fieldConfig": {"defaults": {"unit": "s"}}}]}`))
	require.NoError(t, err)
	assert.Equal(t, []Panel{{Title: "A", Kind: "stat", Unit: "s", Expr: "up", Legend: "{{job}}"}}, panels)
}

func TestReadRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	_, err := Read([]byte(`{"panels": [{"title": "A", "targets": []}]}`))
	require.ErrorContains(t, err, `panel "A" has 0 queries`)
	_, err = Read([]byte(`{"panels": {}}`))
	require.Error(t, err)
}

func TestSubstitute(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `rate(x{job=~".+",instance=~".+"}[1m0s]) + increase(x[6h0m0s])`,
		Substitute(`rate(x{job=~"$job",instance=~"$instance"}[$__rate_interval]) + increase(x[$__range])`, time.Minute, 6*time.Hour))
}
