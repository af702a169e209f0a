"""What `flowloom doctor` looks at: one module per room, one function per check, all listed here."""

from cli.checks.finding import Check
from cli.checks.installation import check_packages, check_programs, check_python, check_stubs
from cli.checks.machine import check_disk, check_ports, check_state, check_strays
from cli.checks.mesh import check_mesh
from cli.checks.providers import check_providers
from cli.checks.servers import check_database, check_redis

CHECKS: tuple[Check, ...] = (
    check_python,
    check_packages,
    check_stubs,
    check_programs,
    check_state,
    check_strays,
    check_disk,
    check_ports,
    check_database,
    check_redis,
    check_providers,
    check_mesh,
)
