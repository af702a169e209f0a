# Who may reach the service, and what it may do.

resource "aws_security_group" "this" {
  name        = local.full_name
  description = "Tasks of the ${var.name} service"
  vpc_id      = var.defaults.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  description                  = "From ${each.key}"
}

# To its neighbours, to AWS, and to whatever workflows call; the engine's own guard refuses inner
# addresses there.
resource "aws_vpc_security_group_egress_rule" "everywhere" {
  # checkov:skip=CKV_AWS_382: workflows call addresses that nobody knows beforehand
  security_group_id = aws_security_group.this.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  description       = "Neighbours, AWS, and what workflows call"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# Starts the task: fetches the image, opens the secrets, writes the log.
resource "aws_iam_role" "execution" {
  name               = "${local.full_name}-execution"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = distinct(values(var.secrets))
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [var.defaults.kms_key_arn]
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.secrets.json
}

# What the program itself may do: be entered for a look, and what is named for this service.
resource "aws_iam_role" "task" {
  name               = "${local.full_name}-task"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "session" {
  name   = "session"
  role   = aws_iam_role.task.id
  policy = var.defaults.session_access_policy
}

resource "aws_iam_role_policy" "access" {
  for_each = var.access_policies

  name   = each.key
  role   = aws_iam_role.task.id
  policy = each.value
}
