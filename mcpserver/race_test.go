//go:build race

package mcpserver_test

func init() { raceDetector = true } //nolint:gochecknoinits // a build tag can say it in no other way
