"""Public fakes of every port, for the tests of those who build on Nebulus."""
