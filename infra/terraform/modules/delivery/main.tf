# What the repository's workflow may do once GitHub vouches for it: push images, register task
# definitions that exist in the state, run one-off tasks, update the three services. No keys.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  account = "${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}"
  cluster = element(split("/", var.cluster_arn), 1)
}

data "aws_iam_openid_connect_provider" "github" {
  url = "https://token.actions.githubusercontent.com"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [data.aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    # Only jobs of this GitHub environment, whose rules say which branches and who approves.
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.repository}:environment:${var.environment}"]
    }
  }
}

resource "aws_iam_role" "deploy" {
  name                 = "${var.name}-deploy"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "deploy" {
  # checkov:skip=CKV_AWS_111: these three actions know no resources
  # checkov:skip=CKV_AWS_356: these three actions know no resources
  statement {
    sid       = "NoResources"
    actions   = ["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid = "Images"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = var.repository_arns
  }

  statement {
    sid       = "Services"
    actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
    resources = ["arn:aws:ecs:${local.account}:service/${local.cluster}/*"]
  }

  statement {
    sid       = "Migrations"
    actions   = ["ecs:RunTask"]
    resources = [for family in var.service_families : "arn:aws:ecs:${local.account}:task-definition/${family}:*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster_arn]
    }
  }

  statement {
    sid       = "Looking"
    actions   = ["ecs:DescribeTasks", "ecs:ExecuteCommand", "ecs:ListTasks"]
    resources = ["arn:aws:ecs:${local.account}:task/${local.cluster}/*", var.cluster_arn, "arn:aws:ecs:${local.account}:container-instance/${local.cluster}/*"]
  }

  statement {
    sid       = "Roles"
    actions   = ["iam:PassRole"]
    resources = var.task_role_arns
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = ["arn:aws:logs:${local.account}:log-group:/flowloom/${local.cluster}/*"]
  }
}

resource "aws_iam_role_policy" "deploy" {
  name   = "deploy"
  role   = aws_iam_role.deploy.id
  policy = data.aws_iam_policy_document.deploy.json
}
